"""What the play page needs: networks, and the held-out text of each.

Each is a script with all of it, because a page that is opened as a file may load nothing else. Its weights
are rounded to 16 bits, which halves it.
"""

from __future__ import annotations

import base64
import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from d2lrnn import export, train
from d2lrnn.running.dataset import load_dataset
from d2lrnn.running.directory import read_config, to_settings

import numpy as np

NETWORKS: Mapping[str, Sequence[str]] = {  # by the corpus that each is trained on: its flags, besides that
    "lyrics": (),
    "timemachine": ("--cell", "gru", "--lr", "0.002", "--epochs", "8"),
}


def make_all(folder: Path) -> list[Path]:
    """The scripts of all networks, in folder; each network is trained once."""
    scripts = [folder / f"{name}.js" for name in NETWORKS]
    for (name, flags), script in zip(NETWORKS.items(), scripts):
        if not script.exists():
            make(name, flags, folder)
    return scripts


def make(name: str, flags: Sequence[str], folder: Path) -> None:
    """Train a network on the corpus of this name, and write the script of its best epoch into folder."""
    run = folder / f"{name}-run"
    shutil.rmtree(run, ignore_errors=True)
    network = folder / f"{name}.safetensors"
    trained = train.main(["--corpus", name, *flags, "--out", str(run)])
    if trained or export.main([str(run), "--out", str(network)]):
        raise RuntimeError(f"no network of {name} for the page to play with")
    write_script(folder / f"{name}.js", halved(network.read_bytes()), heldout(run))


def heldout(run: Path) -> dict[str, Any]:
    """The text that the network of a run was not trained on, and how often each character occurs in the rest.

    counts: in the order of the network's vocabulary, for a reader who knows no more than that.
    """
    dataset = load_dataset(to_settings(read_config(run), run), run)
    counts = np.bincount(dataset.train_indices, minlength=len(dataset.vocab))
    return {"text": dataset.vocab.decode(dataset.heldout_indices), "counts": counts.tolist()}


def write_script(path: Path, network: bytes, game: Mapping[str, Any] | None = None) -> None:
    """Write a network, the bytes of a safetensors file, and its game as the script that play.js asks for."""
    content = {"safetensors": base64.b64encode(network).decode(), **(game or {})}
    path.write_text(f"d2lrnn.add({json.dumps(content, ensure_ascii=False)});\n", encoding="utf-8")


def halved(network: bytes) -> bytes:
    """The same network with its numbers rounded to 16 bits, of which 11 are digits."""
    (length,) = struct.unpack("<Q", network[:8])
    header, data = json.loads(network[8 : 8 + length]), network[8 + length :]
    header["__metadata__"].pop("sha256", None)  # that of the numbers as they were
    for name, entry in header.items():
        if name != "__metadata__":
            entry |= {"dtype": "F16", "data_offsets": [offset // 2 for offset in entry["data_offsets"]]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + np.frombuffer(data, "<f4").astype("<f2").tobytes()
