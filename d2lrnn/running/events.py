"""The metrics of a run as events for TensorBoard, an optional package."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

EVENTS = "events.out.tfevents.*"
INSTALL = "python -m pip install tensorboard"

Log = Callable[[Mapping[str, Any]], None]


def load_writer() -> Any:
    """TensorBoard's own writer, which needs neither TensorFlow nor PyTorch.

    Raises:
        ValueError: it is not installed.
    """
    try:
        from tensorboard.summary import Writer  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise ValueError(
            f"--tensorboard: TensorBoard cannot be loaded ({error}): install it with {INSTALL}"
        ) from None
    return Writer


@contextlib.contextmanager
def writing_events(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> Iterator[Log]:
    """A function that adds the metrics of an epoch, a line of metrics.jsonl, to the events in folder.

    The events begin with the epochs that are in metrics: files that an earlier part of the run has left are
    replaced, so that none is there twice.
    """
    for old in folder.glob(EVENTS):
        old.unlink()
    writer = load_writer()(str(folder))

    def log(metrics: Mapping[str, Any]) -> None:
        for name, value in metrics.items():
            if name != "epoch" and value is not None and math.isfinite(value):
                writer.add_scalar(name, value, step=metrics["epoch"])
        writer.flush()

    with contextlib.closing(writer):
        for line in metrics:
            log(line)
        yield log
