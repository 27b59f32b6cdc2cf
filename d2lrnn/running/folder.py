"""The folder of a run, read without MXNet: its files, its lock, and what they say about the run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..cli import command_line, warn

CONFIG, METRICS, SAMPLES, CURVE = "config.json", "metrics.jsonl", "samples.txt", "curve.svg"
LOGS = (METRICS, SAMPLES)
CHECKPOINTS, BEST = "checkpoints", "best"  # each a folder of numbered checkpoints
FACTS = "facts.json"  # of a checkpoint
LOCK = ".lock"
MAX_JSON = 2**21  # bytes: as much as a checkpoint may say
PERPLEXITIES = ("train_perplexity", "heldout_perplexity")
SAVED = "saved"  # among the facts: when, in seconds since 1970


def holds_run(folder: Path) -> bool:
    """Whether a run was begun in folder."""
    return (folder / CONFIG).exists() or (folder / CHECKPOINTS).exists()


# --- its lock ---


def lock(folder: Path) -> IO[str]:
    """Keep every other process from training into folder, as long as the returned file is open.

    The lock is the system's: it goes when the process goes, however that ends.

    Raises:
        ValueError: another process has it.
    """
    file = open(folder / LOCK, "a+")  # noqa: SIM115
    try:
        _lock_at_once(file)
    except BlockingIOError:
        file.seek(0)
        owner = file.read(20).strip() or "?"
        file.close()
        raise ValueError(
            f"{folder} is in use: process {owner} trains there; wait for it, or give another --out"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _lock_at_once(file: IO[str]) -> None:
    for _ in range(20):  # is_locked, of another process, has the lock for an instant
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.01)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(folder: Path) -> bool:
    """Whether a process trains into folder. Nothing is written."""
    try:
        with open(folder / LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no lock, or none can be had on this medium
        return False
    return False


# --- what it says ---


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        ValueError: there is none, or it is not a JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is not a run directory: it has no {CONFIG}")
    return _read_object(path)


def read_facts(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The newest checkpoint of the run in folder, and its facts. Their sum is not looked at.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: what it says is not a JSON object.
    """
    numbered = [path for path in (folder / CHECKPOINTS).glob("*") if path.name.isdecimal()]
    if not numbered:
        raise FileNotFoundError(f"{folder} holds no checkpoint")
    newest = max(numbered, key=lambda path: int(path.name))
    return newest, _read_object(newest / FACTS)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file() or path.stat().st_size > MAX_JSON:  # a pipe would keep us waiting
            raise ValueError(f"{path.name} is missing or no small file")
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None
    if not isinstance(read, dict):
        raise ValueError(f"{path} is damaged (no JSON object)")
    return read


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that are whole.

    Raises:
        OSError: it cannot be read.
    """
    metrics = []
    for line in (folder / METRICS).read_bytes().splitlines():
        with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError, RecursionError):
            read = json.loads(line)
            perplexities = {key: None if read[key] is None else float(read[key]) for key in PERPLEXITIES}
            metrics.append({"epoch": int(read["epoch"]), **perplexities})
    return metrics


# --- which is the newest ---


class Saved(NamedTuple):
    """When the run in path was saved last, in seconds since 1970. fault: why its checkpoint says nothing."""

    path: Path
    when: float
    fault: str = ""


def newest_run(runs: Path = Path("runs")) -> Path:
    """The run in runs/ that was saved last.

    The time is the one in its newest checkpoint, not the date of a file, which copying changes. For a run of
    d2lrnn 0.1, which has no such time, the date counts. Of copies with the same time, the first by name. A
    run whose newest checkpoint cannot be read is skipped with a warning.

    Raises:
        ValueError: there is none.
    """
    saved = sorted(_all_saved(runs), key=lambda run: (-run.when, by_number(run.path.name)))
    if not saved:
        train = command_line("d2lrnn.train")
        raise ValueError(f"no run in {runs}/: name the directory of one, or train one with {train}")
    newest = next((run for run in saved if not run.fault), saved[0])
    for run in saved[: saved.index(newest)]:
        warn(f"{run.fault}; {newest.path} is taken instead")
    return newest.path


def _all_saved(runs: Path) -> Iterator[Saved]:
    for folder in runs.glob(f"*/{CHECKPOINTS}"):
        with contextlib.suppress(FileNotFoundError):
            yield saved(folder.parent)


def saved(folder: Path) -> Saved:
    """When the run in folder was saved last.

    Raises:
        FileNotFoundError: it has no checkpoint.
    """
    try:
        checkpoint, facts = read_facts(folder)
    except ValueError as error:
        return Saved(folder, date_of(folder / CHECKPOINTS), str(error))
    return Saved(folder, time_in(facts) or date_of(checkpoint))


def time_in(facts: Mapping[str, Any]) -> float | None:
    """When the checkpoint with these facts was written; None if they do not say it."""
    when = facts.get(SAVED)
    return when if isinstance(when, (int, float)) and 0 < when < 2**37 else None


def date_of(path: Path) -> float:
    """When a file or folder was changed, in seconds since 1970."""
    return path.stat().st_mtime


def by_number(name: str) -> list[str | int]:
    """A key to sort names with: run-2 before run-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
