"""Small runs that use every feature of a run, and the parts of a run that must be reproducible."""

from __future__ import annotations

import hashlib
import itertools
import json
import shlex
from pathlib import Path
from typing import Any

from d2lrnn import load_corpus
from d2lrnn.checkpoint import LATEST, load_checkpoint, load_newest
from d2lrnn.running.folder import BEST, CHECKPOINTS, METRICS, SAMPLES

COMBINATIONS = list(
    itertools.product(("rnn", "gru", "lstm"), ("adam", "sgd"), ("random", "consecutive"), (0, 0.3))
)
SMALL = "--hidden-dim 8 --batch-size 4 --num-steps 4 --pred-len 2 --pred-period 2 --epochs 2"
# what differs from run to run; bytes: of logs with times
TIMES = ("seconds", "chars_per_second", "saved", "bytes")


def small_corpus(folder: Path) -> Path:
    """A text that a small network learns, so that the held-out perplexity falls with each epoch."""
    path = folder / "small.txt"
    path.write_text(load_corpus("lyrics", max_chars=80) * 4, encoding="utf-8")
    return path


def arguments(corpus: Path, cell: str, optimizer: str, sampler: str, dropout: float) -> list[str]:
    """The flags of a small run."""
    flags = f"--corpus {corpus} --cell {cell} --optimizer {optimizer} --sampler {sampler} --dropout {dropout}"
    return shlex.split(f"{SMALL} {flags}")


def timeless(value: Any) -> Any:
    """value without the times in it."""
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items() if name not in TIMES}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def fingerprint(arrays: Any, facts: Any) -> str:
    """The sha256 of all that a checkpoint holds."""
    sha256 = hashlib.sha256(json.dumps(timeless(facts), sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name].asnumpy()
        sha256.update(f"{name} {array.shape} {array.dtype}".encode() + array.tobytes())
    return sha256.hexdigest()


def of_checkpoint(path: Path) -> str:
    """The sha256 of a checkpoint."""
    return fingerprint(*load_checkpoint(path))


def passed_over(folder: Path) -> list[str]:
    """Why the last checkpoints of a run cannot be loaded, except that LATEST has not been written yet."""
    *_, damaged = load_newest(folder / CHECKPOINTS)
    return damaged if (folder / CHECKPOINTS / LATEST).exists() else damaged[1:]


def of_run(folder: Path) -> dict[str, Any]:
    """What must not depend on how often a run was stopped: weights and the rest of the last checkpoint and
    of the best, the metrics, the samples.
    """
    found = {name: fingerprint(*load_newest(folder / name)[1:3]) for name in (CHECKPOINTS, BEST)}
    samples = (folder / SAMPLES).read_text(encoding="utf-8", errors="replace")
    return {**found, METRICS: _read_metrics(folder / METRICS), SAMPLES: samples}


def _read_metrics(path: Path) -> Any:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return timeless([json.loads(line) for line in text.splitlines()])
    except ValueError:
        return text


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What is wrong with a run, in words."""
    return ", ".join(name for name in wanted if found[name] != wanted[name])
