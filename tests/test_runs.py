"""Which run is the newest, what `runs` says of each, and how it lays their curves over each other."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from d2lrnn.running.folder import newest_run

import pytest

pytestmark = pytest.mark.usefixtures("empty_folder")

LINE = {"chars_per_second": 1.0, "seconds": 1.0}


def make_run(
    folder: str, saved: Any = 1.0, epochs: int = 4, heldout: Any = (300, 200, 250), **config: Any
) -> Path:
    """A run as far as `runs` looks at it, without arrays. heldout: a perplexity for each epoch done."""
    path = Path(folder)
    checkpoint = path / "checkpoints/000002"
    checkpoint.mkdir(parents=True)
    settings = {"corpus": "lyrics", "cell": "rnn", "layers": 1, "hidden_dim": 8, "epochs": epochs, **config}
    measured = [value for value in heldout if value is not None]
    best = {}
    if measured:
        best = {"epoch": 1 + heldout.index(min(measured)), "heldout_perplexity": min(measured)}
    facts = {"config": settings, "chars": "ab", "progress": {"epoch": len(heldout), "batch": 0}, "best": best}
    if saved is not None:
        facts["saved"] = saved
    (checkpoint / "facts.json").write_text(json.dumps(facts))
    (path / "config.json").write_text(json.dumps(settings))
    lines = [
        {"epoch": k, "train_perplexity": 400 / k, "heldout_perplexity": value, **LINE}
        for k, value in enumerate(heldout, 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def date(path: Path, when: float) -> None:
    """Give all that lies in path a date."""
    for one in [path, *path.rglob("*")]:
        os.utime(one, (when, when))


# --- the newest ---


def test_the_newest_run_is_the_one_that_was_saved_last_whatever_the_dates_of_its_files() -> None:
    date(make_run("runs/old", saved=1000.5), 3000)
    date(make_run("runs/new", saved=1000.75), 2000)
    date(make_run("runs/older", saved=999), 4000)

    assert newest_run() == Path("runs/new")


def test_a_copy_of_an_old_run_is_not_the_newest() -> None:
    make_run("runs/old", saved=1000)
    make_run("runs/new", saved=2000)
    shutil.copytree("runs/old", "runs/copy", copy_function=shutil.copyfile)  # with dates of today

    assert newest_run() == Path("runs/new")


def test_of_copies_of_the_newest_run_the_first_by_name_is_taken() -> None:
    for name in ("run-10", "run-2", "run-2-copy"):
        make_run(f"runs/{name}", saved=1000)

    assert newest_run() == Path("runs/run-2")


@pytest.mark.parametrize("saved", [None, "yesterday", -5, float("nan"), float("inf"), [], {}])
def test_of_a_run_that_does_not_say_when_it_was_saved_the_date_counts(saved: Any) -> None:
    make_run("runs/a", saved=2000)
    date(make_run("runs/silent", saved=saved), 1999)
    assert newest_run() == Path("runs/a")

    date(Path("runs/silent"), 2001)
    assert newest_run() == Path("runs/silent")


@pytest.mark.parametrize("facts", ["", "{", "[]", "[" * 10**5, '"' + "a" * 2**21 + '"', b"\xff", None])
def test_a_run_that_cannot_be_read_is_passed_over_with_a_warning(
    facts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("runs/whole", saved=2000)
    path = make_run("runs/damaged") / "checkpoints/000002/facts.json"
    path.unlink()
    if facts is not None:
        path.write_bytes(facts.encode() if isinstance(facts, str) else facts)

    assert newest_run() == Path("runs/whole")
    err = capsys.readouterr().err
    assert err.startswith(f"warning: {path} is damaged (") and err.endswith("runs/whole is taken instead\n")
    assert err.count("\n") == 1


def test_an_old_damaged_run_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("runs/whole", saved=2000)
    damaged = make_run("runs/damaged")
    (damaged / "checkpoints/000002/facts.json").write_text("")
    date(damaged, 1000)

    assert newest_run() == Path("runs/whole")
    assert capsys.readouterr().err == ""


def test_a_single_damaged_run_is_the_newest_so_that_its_damage_is_told() -> None:
    (make_run("runs/damaged") / "checkpoints/000002/facts.json").write_text("")

    assert newest_run() == Path("runs/damaged")


def test_folders_without_a_checkpoint_are_no_runs() -> None:
    for folder in ("runs/a", "runs/b/checkpoints", "runs/c/checkpoints/.000001.7.tmp"):
        Path(folder).mkdir(parents=True)
    Path("runs/d").touch()
    with pytest.raises(ValueError, match="no run in runs/"):
        newest_run()
    make_run("runs/e")

    assert newest_run() == Path("runs/e")
