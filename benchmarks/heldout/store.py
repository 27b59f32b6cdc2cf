"""Results of measurements, each beside its settings: stored as soon as measured, and measured only once."""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from d2lrnn.checkpoint import write_atomically

RESULTS = Path(__file__).parents[2] / "data" / "heldout.json"
DIGITS = 6  # significant ones of a float


class NotMeasured(KeyError):
    """The result is not stored, and only stored ones were asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


class Store:
    """A JSON file of results, one a line: {"key": settings, "result": what was measured, "seconds": …}.

    Studies that run side by side may share it. measure: whether what is missing is measured; without it only
    what is stored is returned.
    """

    def __init__(self, path: Path = RESULTS, *, measure: bool = True) -> None:
        self.path = path
        self.measure = measure

    def measured(self, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result stored under key; if there is none, measure() is called, and its result stored.

        key: the settings, all that decides the result: JSON objects, "study" among them. Floats are stored
        with six significant digits, and returned so the first time, too.

        Raises:
            NotMeasured: there is no result, and none is to be measured.
            ValueError: the result holds NaN or infinity, or the file is damaged.
        """
        name = ", ".join(f"{name} {value}" for name, value in key.items())
        wanted = json.loads(_as_json(key))
        for entry in self.entries():
            if entry["key"] == wanted:
                return entry["result"]
        if not self.measure:
            raise NotMeasured(f"{name}: not measured yet")
        print(f"{name} …", flush=True)
        start = time.perf_counter()
        result = _rounded(measure())
        seconds = time.perf_counter() - start
        self._add({"key": wanted, "result": result, "seconds": round(seconds, 1)})
        print(f"{name}: {_as_line(result)} ({seconds:.0f} s)", flush=True)
        return result

    def entries(self) -> list[dict[str, Any]]:
        """All that is stored, in the order of measuring."""
        if not self.path.exists():
            return []
        return json.loads(self.path.read_text(encoding="utf-8"))

    def _add(self, entry: dict[str, Any]) -> None:
        with self._locked():  # and read again: another study may have added something meanwhile
            lines = [_as_json(each) for each in [*self.entries(), entry]]
            write_atomically(self.path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _as_line(result: dict[str, Any]) -> str:
    numbers = {name: value for name, value in result.items() if isinstance(value, (int, float))}
    return ", ".join(f"{name} {value:g}" for name, value in numbers.items())


def _rounded(value: Any) -> Any:
    """value, as it will be read again, with floats to a few digits."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if not math.isfinite(value):
        raise ValueError(f"{value} is no result that JSON can hold")
    return float(f"{value:.{DIGITS}g}")
