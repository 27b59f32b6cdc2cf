"""What the page to play with needs: networks, and for each the text that was held out of its training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from d2lrnn import export, train
from d2lrnn.running.dataset import load_dataset
from d2lrnn.running.directory import read_config, to_settings

import numpy as np

NETWORKS: Mapping[str, Sequence[str]] = {  # by the corpus that each is trained on: its flags, besides that
    "lyrics": (),
    "timemachine": ("--cell", "gru", "--lr", "0.002", "--epochs", "8"),
}


def make_all(folder: Path) -> list[Path]:
    """The files of all networks, in folder; each network is trained once."""
    made = []
    for name, flags in NETWORKS.items():
        files = [folder / f"{name}.safetensors", folder / f"{name}.json"]
        if not all(file.exists() for file in files):
            make(name, flags, folder)
        made += files
    return made


def make(name: str, flags: Sequence[str], folder: Path) -> None:
    """Train a network on the corpus of this name, and write it with its held-out text into folder."""
    run = folder / f"{name}-run"
    shutil.rmtree(run, ignore_errors=True)
    network = str(folder / f"{name}.safetensors")
    if train.main(["--corpus", name, *flags, "--out", str(run)]) or export.main([str(run), "--out", network]):
        raise RuntimeError(f"no network of {name} for the page to play with")
    write_heldout(run, folder / f"{name}.json")


def write_heldout(run: Path, path: Path) -> None:
    """Write what the network of a run has not been trained on, and how often each character was trained on.

    counts: in the order of the network's vocabulary, for a reader who knows no more than that.
    """
    dataset = load_dataset(to_settings(read_config(run), run), run)
    counts = np.bincount(dataset.train_indices, minlength=len(dataset.vocab))
    game = {"text": dataset.vocab.decode(dataset.heldout_indices), "counts": counts.tolist()}
    path.write_text(json.dumps(game, ensure_ascii=False), encoding="utf-8")
