"""Lesson 16: what is saved comes back, is never seen half written, and is refused when damaged.

save_checkpoint and load_checkpoint are asked together: how a checkpoint lies on the disk is left to the two.
A worker has one small folder to write to, and there the drivers make theirs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mxnet import nd

from ..case import Case, Mistake
from ..mistakes import told
from .driving import refusal

# --- drivers --------------------------------------------------------------------------------------


def contents(arrays: Any) -> dict[str, Any]:
    """Name -> dtype, shape and bytes of every array."""
    found = {name: array.asnumpy() for name, array in arrays.items()}
    return {name: [a.dtype.name, list(a.shape), a.tobytes()] for name, a in found.items()}


def given(arrays: dict[str, np.ndarray]) -> dict[str, nd.NDArray]:
    """MXNet's arrays of the same dtype."""
    return {name: nd.array(array, dtype=array.dtype) for name, array in arrays.items()}


def files_of(path: Path) -> dict[str, bytes]:
    """All files under a path, or that it is, and what they hold."""
    files = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


def watched(call: Callable[[], Any], look: Callable[[], Any]) -> list:
    """What look() saw, whenever it saw something new: it looks after every call into C that call() makes."""
    seen: list = []

    def note(_frame: Any = None, event: str = "c_return", _arg: Any = None) -> None:
        if event != "c_return":  # only C code writes files
            return
        now = look()
        if not seen or seen[-1] != now:
            seen.append(now)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    note()
    return seen


def drive_round_trip(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """What load_checkpoint reads of what save_checkpoint has written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        s.save_checkpoint(path, given(arrays), facts)
        loaded, said = s.load_checkpoint(path)
        return {"arrays": contents(loaded), "facts": {name: said[name] for name in facts}}


def drive_in_the_making(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """How many different things stood under the name while it was written, and what else is left."""
    save = s.save_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        seen = watched(
            partial(save, path, given(arrays), facts), lambda: files_of(path) if path.exists() else None
        )
        return {
            "seen": len([files for files in seen if files is not None]),
            "left": sorted(os.listdir(folder)),
        }


def on_full_disk(call: Callable[[], Any]) -> list[str]:
    """The error that call() causes while fsync and rename say that the disk is full."""
    real = os.fsync, os.replace, os.rename

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    os.fsync = os.replace = os.rename = full
    try:
        return refusal(call)
    finally:
        os.fsync, os.replace, os.rename = real


def drive_full_disk(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """What stands in the folder when fsync and rename say that the disk is full, and after another try."""
    save = s.save_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        errors = on_full_disk(lambda: save(Path(folder) / "c", given(arrays), facts))
        left = sorted(os.listdir(folder))
        save(Path(folder) / "d", given(arrays), facts)
        return {"errors": errors, "left": left, "afterwards": sorted(os.listdir(folder))}


def drive_taken(s: Any, arrays: dict, facts: dict, others: dict) -> dict[str, Any]:
    """The error when a name is taken, and which epoch is read there afterwards."""
    save = s.save_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        save(path, given(arrays), facts)
        errors = refusal(lambda: save(path, given(arrays), others))
        return {"errors": errors, "epoch": s.load_checkpoint(path)[1]["epoch"]}


def drive_damage(s: Any, arrays: dict, facts: dict, places: list[float], cuts: bool) -> dict[str, Any]:
    """What comes of a checkpoint one of whose files is cut, or has one bit flipped, at these places."""
    save, load = s.save_checkpoint, s.load_checkpoint

    def outcome(path: Path) -> str:
        found: list = []
        errors = refusal(lambda: found.extend(load(path)))
        if errors:
            return "ValueError" if "ValueError" in errors else errors[0]
        loaded, said = found
        same = (
            contents(loaded) == contents(given(arrays)) and {name: said.get(name) for name in facts} == facts
        )
        return "same" if same else "other"

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        save(path, given(arrays), facts)
        whole, outcomes = outcome(path), []
        for name, data in files_of(path).items():
            for place in places:
                damaged, i = bytearray(data), int(place * len(data))
                if cuts:
                    del damaged[i:]
                else:
                    damaged[i] ^= 1 << i % 8
                (path / name).write_bytes(damaged)
                outcomes.append(outcome(path))
            (path / name).write_bytes(data)
        return {"whole": whole, "damaged": outcomes}


def drive_missing(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """The error for a checkpoint that is not there, and the epoch of one that is."""
    load = s.load_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        s.save_checkpoint(Path(folder) / "c", given(arrays), facts)
        errors = refusal(lambda: load(Path(folder) / "d"))
        return {"errors": errors, "epoch": load(Path(folder) / "c")[1]["epoch"]}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


class Trapped:
    """An array, as far as save_checkpoint can tell, of one Trap."""

    def __init__(self, folder: str) -> None:
        self.values = np.array([Trap(folder)], dtype=object)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def asnumpy(self) -> np.ndarray:
        """The array."""
        return self.values


def drive_pickle(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """Whether a pickled array was opened, the error it caused, and the epoch of a checkpoint without one."""
    save, load, real = s.save_checkpoint, s.load_checkpoint, np.lib.format.write_array

    def stranger(file: Any, array: np.ndarray, *_: Any, **__: Any) -> None:  # who is asked not to pickle
        real(file, array, allow_pickle=True)

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "c", given(arrays), facts)
        opened, path = Path(folder) / "opened", Path(folder) / "d"
        np.lib.format.write_array = stranger  # type: ignore[assignment]
        try:
            planted = not refusal(lambda: save(path, {**given(arrays), "trap": Trapped(str(opened))}, facts))
        finally:
            np.lib.format.write_array = real
        errors = refusal(lambda: load(path)) if planted else ["ValueError"]
        return {"opened": opened.exists(), "errors": errors, "epoch": load(Path(folder) / "c")[1]["epoch"]}


def drive_write(s: Any, before: bytes | None, data: bytes) -> dict[str, Any]:
    """What stood under the name while write_atomically ran, and what is left."""
    write = s.write_atomically
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        if before is not None:
            path.write_bytes(before)
        seen = watched(partial(write, path, data), lambda: path.read_bytes() if path.exists() else None)
        return {"seen": seen, "left": sorted(os.listdir(folder))}


def drive_failed_write(s: Any, before: bytes, data: bytes) -> dict[str, Any]:
    """What is left when the disk is full, and after another try."""
    write = s.write_atomically
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(before)
        errors = on_full_disk(lambda: write(path, data))
        left = files_of(Path(folder))
        write(path, data)
        return {"errors": errors, "files": left, "afterwards": files_of(Path(folder))}


def drive_next(s: Any, arrays: dict, facts: list[dict], kept: list[int | None]) -> dict[str, Any]:
    """Names and folders after every save_next. kept: which of the paths so far is `previous`."""
    paths: list = []
    with tempfile.TemporaryDirectory() as folder:
        runs, states = Path(folder) / "run", []
        for said, k in zip(facts, kept):
            paths.append(s.save_next(runs, given(arrays), said, previous=None if k is None else paths[k]))
            there = [path.name for path in runs.iterdir() if path.is_dir()]
            states.append([paths[-1].name, (runs / "LATEST").read_text().strip(), sorted(there)])
        return {"states": states}


def drive_latest(s: Any, arrays: dict, facts: dict) -> dict[str, Any]:
    """Whether LATEST ever named what was not there, while two checkpoints were saved."""
    save_next, missing = s.save_next, []
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "run"

        def look() -> str:
            latest = runs / "LATEST"
            name = latest.read_text().strip() if latest.exists() else ""
            if name and not (runs / name).exists() and name not in missing:
                missing.append(name)
            return name

        seen: list = []
        for _ in range(2):
            seen += watched(lambda: save_next(runs, given(arrays), facts), look)
        return {"missing": missing, "latest": [name for name in dict.fromkeys(seen) if name]}


def drive_newest(s: Any, arrays: dict, facts: list[dict], damaged: list[int], latest: int) -> dict[str, Any]:
    """What load_newest finds among these checkpoints, some of them damaged. latest: which LATEST names."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "run"
        runs.mkdir()
        paths = []
        for number, said in enumerate(facts, 1):
            paths.append(runs / f"{number:06}")
            s.save_checkpoint(paths[-1], given(arrays), said)
        (runs / "LATEST").write_text(f"{paths[latest].name}\n")
        load_newest = s.load_newest
        whole = load_newest(runs)[0].name
        for i in damaged:
            for name, data in files_of(paths[i]).items():
                (paths[i] / name).write_bytes(data[: len(data) // 2])
        found: list = []
        errors = refusal(lambda: found.extend(load_newest(runs)))
        if errors:
            return {"errors": errors, "whole": whole}
        path, loaded, said, lines = found
        return {
            "errors": [], "whole": whole, "path": path.name, "arrays": contents(loaded),
            "epoch": said["epoch"],
            "named": [sum(name.name in line for line in lines) > 0 for name in paths], "lines": len(lines),
        }  # fmt: skip


# --- checks ---------------------------------------------------------------------------------------


def _exactly(*keys: str) -> Callable:
    """A check: these entries are the expected ones, to the bit."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        for key in keys:
            if answer[key] != expected[key] or type(answer[key]) is not type(expected[key]):
                return f"{key} came back other than expected"
        return None

    return check


def _raises(error: str, *keys: str) -> Callable:
    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        if error not in answer["errors"]:
            return f"{error} is expected, not {answer['errors'][0] if answer['errors'] else 'an answer'}"
        return _exactly(*keys)(answer, expected, inputs)

    return check


def _refuses_damage(answer: Any, expected: Any, inputs: dict) -> str | None:
    if answer["whole"] != "same":
        return "a checkpoint that is whole does not come back as it was"
    if len(answer["damaged"]) < len(inputs["places"]):
        return "the checkpoint holds no files"
    for outcome in answer["damaged"]:
        if outcome == "other":
            return "a damaged file silently came back as other numbers or facts"
        if outcome not in ("same", "ValueError"):
            return f"a damaged file causes {outcome}: a ValueError that names the checkpoint is expected"
    if "ValueError" not in answer["damaged"]:
        return "no damage was noticed"
    return None


def _never_half(answer: Any, expected: Any, inputs: dict) -> str | None:
    if [data for data in answer["seen"] if data not in (inputs["before"], inputs["data"])]:
        return "under its name stood neither the old content nor the new one"
    if not answer["seen"] or answer["seen"][-1] != inputs["data"]:
        return "in the end the new content stands under the name"
    return _exactly("left")(answer, expected, inputs)


# --- inputs ---------------------------------------------------------------------------------------

SMALL = {
    "arrays": {"W_xh": np.array([[1, -0.0], [1e-45, 2]], np.float32), "t": np.array([7], np.int32)},
    "facts": {"epoch": 3},
}


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    """Arrays of several dtypes, one of them with the numbers that print alike and are not, and facts."""
    shape = rng.integers(1, 5, size=2).tolist()
    return {
        "arrays": {
            "W_xh": np.append(rng.normal(size=shape).ravel(), [-0.0, 1e-45]).astype(np.float32),
            "b_h": rng.normal(size=shape).astype(np.float32),
            "t": rng.integers(-9, 9, size=3).astype(np.int32),
        },
        "facts": {
            "epoch": int(rng.integers(1000)),
            "chars": " 分开\U0001f600" + "".join(map(chr, rng.integers(0x4E00, 0x9FFF, size=4).tolist())),
            "progress": [float(rng.random()), None, {"done": True}],
        },
    }


def _draw_damage(rng: np.random.Generator, cuts: bool) -> dict[str, Any]:
    return {**_draw(rng), "places": rng.random(5).tolist(), "cuts": cuts}


def _draw_bytes(rng: np.random.Generator) -> dict[str, Any]:
    before, data = (rng.bytes(int(n)) for n in rng.integers(1, 99999, size=2))
    return {"before": before, "data": data}


def _draw_saves(rng: np.random.Generator) -> dict[str, Any]:
    """Four saves; before the last two the newest whole one is not the one just before."""
    return {
        "arrays": _draw(rng)["arrays"],
        "facts": [{"epoch": int(n)} for n in rng.integers(1000, size=4)],
        "kept": [None, 0, int(rng.integers(2)), 1],
    }


def _draw_folder(rng: np.random.Generator) -> dict[str, Any]:
    facts = [{"epoch": int(n)} for n in rng.choice(1000, size=3, replace=False)]
    damaged, latest = [[], [2], [1], [1, 2]][int(rng.integers(4))], int(rng.integers(1, 3))
    return {"arrays": _draw(rng)["arrays"], "facts": facts, "damaged": damaged, "latest": latest}


# --- the cases ------------------------------------------------------------------------------------

FULL_UNNOTICED = Mistake(
    "the disk was full, and nobody noticed: without fsync what was written may be only in memory when the "
    "power fails",
    shows=lambda answer, *_: not answer["errors"],
)
of_writing = partial(
    Case, function="write_atomically", lesson=16, example={"before": b"old", "data": b"new"}, draw=_draw_bytes
)
of_saving = partial(Case, function="save_checkpoint", lesson=16, example=SMALL, draw=_draw)
of_loading = partial(Case, function="load_checkpoint", lesson=16)
of_next = partial(Case, function="save_next", lesson=16)
of_newest = partial(Case, function="load_newest", lesson=16, drive=drive_newest)

CASES = [
    of_writing(
        name="the name leads to the whole old or the whole new content",
        drive=drive_write,
        check=_never_half,
        expect=lambda inputs: {"left": ["f"]},
        mistakes=(
            Mistake(
                "the file is written under its final name: a kill on the way leaves half of it there. Write "
                "it under another name in the same folder, and rename it",
                shows=lambda answer, _, inputs: any(
                    data not in (inputs["before"], inputs["data"]) for data in answer["seen"]
                ),
            ),
        ),
    ),
    of_writing(
        name="a disk that is full leaves the old content, and nothing else",
        drive=drive_failed_write,
        check=_raises("OSError", "files", "afterwards"),
        expect=lambda inputs: {"files": {"f": inputs["before"]}, "afterwards": {"f": inputs["data"]}},
        mistakes=(
            FULL_UNNOTICED,
            Mistake(
                "a file that was not finished is left behind",
                shows=lambda answer, *_: len(answer["files"]) > 1,
            ),
        ),
    ),
    of_saving(
        name="arrays and facts come back to the bit",
        drive=drive_round_trip,
        check=_exactly("arrays", "facts"),
        expect=lambda inputs: {
            "arrays": {
                name: [a.dtype.name, list(a.shape), a.tobytes()] for name, a in inputs["arrays"].items()
            },
            "facts": inputs["facts"],
        },
        mistakes=(
            Mistake(
                "the facts have changed: what is written as JSON has to come back as it was",
                shows=lambda answer, expected, inputs: answer["facts"] != expected["facts"],
            ),
            Mistake(
                "an array came back with another dtype: nd.array makes everything float32 unless told "
                "otherwise",
                shows=lambda answer, expected, inputs: (
                    [a[0] for a in answer["arrays"].values()] != [a[0] for a in expected["arrays"].values()]
                ),
            ),
        ),
    ),
    of_saving(
        name="no half-written checkpoint ever stands under its name",
        drive=drive_in_the_making,
        check=_exactly("seen", "left"),
        mistakes=(
            Mistake(told("16_checkpoint_written_in_place"), shows=lambda answer, *_: answer["seen"] > 1),
            Mistake(
                "something else is left beside the checkpoint",
                shows=lambda answer, *_: answer["left"] != ["c"],
            ),
        ),
    ),
    of_saving(
        name="a disk that is full leaves nothing behind",
        drive=drive_full_disk,
        check=_raises("OSError", "left", "afterwards"),
        mistakes=(
            FULL_UNNOTICED,
            Mistake(
                "the disk was full, and a part of the checkpoint is left: write it beside, rename it when it "
                "is whole, and clear away what was not finished",
                shows=lambda answer, *_: answer["left"] != [],
            ),
        ),
    ),
    of_saving(
        name="a checkpoint is never written over another",
        drive=drive_taken,
        example={**SMALL, "others": {"epoch": 4}},
        draw=lambda rng: {**_draw(rng), "others": {"epoch": -int(rng.integers(9))}},
        check=_raises("FileExistsError", "epoch"),
        expect=lambda inputs: {"epoch": inputs["facts"]["epoch"]},
    ),
    of_loading(
        name="a checkpoint that was cut off is refused",
        drive=drive_damage,
        example={**SMALL, "places": [0.0, 0.5], "cuts": True},
        draw=partial(_draw_damage, cuts=True),
        check=_refuses_damage,
        expect=lambda inputs: None,
    ),
    of_loading(
        name="a flipped bit never comes back as a number",
        drive=drive_damage,
        example={**SMALL, "places": [0.1, 0.3, 0.5, 0.6, 0.8], "cuts": False},
        draw=partial(_draw_damage, cuts=False),
        check=_refuses_damage,
        expect=lambda inputs: None,
        mistakes=(
            Mistake(
                told("16_checkpoint_sums_are_not_compared"),
                shows=lambda answer, *_: "other" in answer["damaged"],
            ),
        ),
    ),
    of_loading(
        name="nothing is unpickled",
        drive=drive_pickle,
        example=SMALL,
        draw=_draw,
        check=_raises("ValueError", "opened", "epoch"),
        expect=lambda inputs: {"opened": False, "epoch": inputs["facts"]["epoch"]},
        mistakes=(Mistake(told("16_checkpoint_unpickles"), shows=lambda answer, *_: answer["opened"]),),
    ),
    of_loading(
        name="a checkpoint that is not there is a FileNotFoundError",
        drive=drive_missing,
        example=SMALL,
        draw=_draw,
        check=_raises("FileNotFoundError", "epoch"),
        expect=lambda inputs: {"epoch": inputs["facts"]["epoch"]},
    ),
    of_next(
        name="the next number is saved, LATEST names it, and all others go but the previous one",
        drive=drive_next,
        example={
            "arrays": SMALL["arrays"],
            "facts": [{"epoch": n} for n in range(1, 5)],
            "kept": [None, 0, 0, 2],
        },
        draw=_draw_saves,
        mistakes=(
            Mistake(
                told("16_checkpoint_keeps_the_damaged_one"),
                shows=lambda answer, expected, inputs: any(
                    not set(right[2]) <= set(got[2])
                    for got, right in zip(answer["states"], expected["states"])
                ),
            ),
            Mistake(
                "old checkpoints are left: all go but the new one and the previous one",
                shows=lambda answer, expected, inputs: any(
                    set(right[2]) < set(got[2]) for got, right in zip(answer["states"], expected["states"])
                ),
            ),
        ),
    ),
    of_next(
        name="LATEST never names a checkpoint that is not there",
        drive=drive_latest,
        example=SMALL,
        draw=_draw,
        mistakes=(
            Mistake(
                told("16_checkpoint_latest_is_moved_first"), shows=lambda answer, *_: bool(answer["missing"])
            ),
        ),
    ),
    of_newest(
        name="the one that LATEST names is found, or the newest whole one, and each damaged one is reported",
        example={
            "arrays": SMALL["arrays"],
            "facts": [{"epoch": 1}, {"epoch": 2}],
            "damaged": [1],
            "latest": 1,
        },
        draw=_draw_folder,
        check=_exactly("errors", "whole", "path", "arrays", "epoch", "named", "lines"),
        mistakes=(
            Mistake(
                "LATEST is not asked: the highest number may be one that was being written when the run was "
                "killed",
                shows=lambda answer, expected, inputs: answer["whole"] != expected["whole"],
            ),
            Mistake(
                told("16_checkpoint_falls_back_in_silence"),
                shows=lambda answer, expected, inputs: (
                    answer["path"] == expected["path"] and answer["lines"] < expected["lines"]
                ),
            ),
        ),
    ),
    of_newest(
        name="a folder in which nothing is whole is refused",
        example={"arrays": SMALL["arrays"], "facts": [{"epoch": 1}], "damaged": [0], "latest": 0},
        draw=lambda rng: {**_draw_folder(rng), "damaged": [0, 1, 2]},
        check=_raises("ValueError", "whole"),
    ),
]
