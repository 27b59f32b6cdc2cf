"""The campaign of audits/torture in short, and that it sees the mistakes that it is there for."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import mmap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from d2lrnn import checkpoint
from d2lrnn.checkpoint import ARRAYS, FACTS, MANIFEST
from d2lrnn.running import run
from d2lrnn.running.run import Run

import numpy as np
import pytest
from mxnet import nd

from audits.torture import damage, disk, kills, long_runs
from audits.torture.children import call
from audits.torture.figures import Figure, keep, to_table

pytestmark = pytest.mark.slow


def misses(figures: list[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.holds is False]


# --- the short campaign ---


def test_runs_that_are_killed_end_like_the_whole_ones(tmp_path: Path) -> None:
    assert misses(kills.kill_runs(tmp_path, 0, kills=6, processes=0, combinations=2)) == []


def test_damaged_and_forged_runs_are_refused_or_right(tmp_path: Path) -> None:
    assert misses(damage.damage_runs(tmp_path, 0, cases=25)) == []


def test_disks_that_fail_lose_nothing(tmp_path: Path) -> None:
    assert misses(disk.fail_disks(tmp_path, 0, rounds=1, files=2)) == []


@pytest.fixture
def own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are those of the cores that have worked for us: others may be busy, too."""
    monkeypatch.setattr(long_runs, "time", SimpleNamespace(perf_counter=time.process_time))


@pytest.mark.usefixtures("own_time")
def test_saving_costs_little(tmp_path: Path) -> None:
    assert misses(long_runs.overhead(tmp_path, rounds=3, batches=1)) == []


def test_memory_stays_flat(tmp_path: Path) -> None:
    assert misses(long_runs.memory(tmp_path, batches=600, settled=300)) == []


# --- the mistakes that it sees ---


def save_in_place(path: Path, arrays: Any, facts: Any) -> None:
    """save_checkpoint without a temporary name."""
    path.mkdir()
    np.savez(path / ARRAYS, **{name: array.asnumpy() for name, array in arrays.items()})
    (path / FACTS).write_text(json.dumps(facts))
    data = {name: (path / name).read_bytes() for name in (ARRAYS, FACTS)}
    files = {n: {"size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in data.items()}
    entries = {name: {"shape": a.shape, "dtype": np.dtype(a.dtype).name} for name, a in arrays.items()}
    (path / MANIFEST).write_text(json.dumps({"format": checkpoint.FORMAT, "files": files, "arrays": entries}))


def test_a_save_that_is_not_atomic_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "save_checkpoint", save_in_place)

    for seed in itertools.count():  # a kill hits a save by chance: until one does
        (folder := tmp_path / str(seed)).mkdir()
        _, _, *losses = kills.kill_runs(folder, seed, kills=4, processes=0, combinations=1)
        if misses(losses):
            break


@pytest.mark.usefixtures("own_time")
def test_a_save_that_costs_much_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save: Callable[..., None] = Run.save

    def slow(self: Run) -> None:
        save(self)
        begin = time.process_time()
        while time.process_time() - begin < 2:
            pass

    monkeypatch.setattr(Run, "save", slow)

    assert misses(long_runs.overhead(tmp_path, rounds=1, batches=1))


def test_a_resume_that_forgets_something_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resume: Callable[..., None] = Run.resume

    def forgetful(self: Run, *arguments: Any) -> None:
        resume(self, *arguments)
        self.optimizer.t = 0

    monkeypatch.setattr(Run, "resume", forgetful)

    assert misses(kills.kill_runs(tmp_path, 0, kills=2, processes=0, combinations=1))


def test_a_load_that_checks_no_sum_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(path: Path, ctx: Any = None) -> Any:
        try:
            with np.load(path / ARRAYS) as members:
                arrays = {name: nd.array(array, ctx, array.dtype) for name, array in members.items()}
            return arrays, json.loads((path / FACTS).read_bytes())
        except Exception as error:
            raise ValueError(f"{path}: {error}") from None

    monkeypatch.setattr(checkpoint, "load_checkpoint", believing)
    campaign = damage.Campaign(tmp_path, 0)
    for number in range(40):
        if not campaign.findings:
            campaign.case(number)

    assert any("wrong values" in line for line in campaign.findings)


def test_a_fault_that_is_passed_over_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save: Callable[..., None] = Run.save

    def careless(self: Run) -> None:
        with contextlib.suppress(OSError):
            save(self)

    monkeypatch.setattr(Run, "save", careless)

    campaign = disk.Campaign(tmp_path, 0)
    campaign.failing("fsync", 30)

    assert campaign.findings


def test_a_list_that_keeps_every_loss_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, train_batches = [], run.train_batches

    def keeping(*arguments: Any, **options: Any) -> Iterator[Any]:
        for step in train_batches(*arguments, **options):
            kept.append(np.ones(5000))  # 40 kB: the history of a batch
            yield step

    monkeypatch.setattr(run, "train_batches", keeping)

    assert misses(long_runs.memory(tmp_path, batches=600, settled=300))


# --- how it measures and what it keeps ---


def fill() -> int:
    """Take 160 MB from the system: malloc might take what tests before this one have left free."""
    memory = mmap.mmap(-1, 160 * 10**6)
    return sum(memory.write(bytes(10**6)) for _ in range(160)) - len(memory)


def test_what_the_parent_holds_is_not_counted_as_the_child_s() -> None:
    held = np.ones(20_000_000)  # 160 MB

    assert call(lambda: 0).grown < 50e6
    assert call(lambda: int(held.sum()) and 0).grown < 50e6
    assert 160e6 < call(fill).grown < 210e6


def test_a_part_replaces_its_own_section_only(tmp_path: Path) -> None:
    table = tmp_path / "torture.md"
    for section in ("## disk\n\nold\n", "## kills\n\nkept\n", "## disk\n\nnew\n"):
        keep(section, ("kills", "disk"), table)

    _, sections = table.read_text().split("\n\n", 2)[1:]
    assert sections == "## kills\n\nkept\n\n## disk\n\nnew\n"


def test_what_could_not_be_tried_is_not_said_to_hold() -> None:
    words = [line.split("|")[-2].strip() for line in to_table([Figure("", "", "", None)]).splitlines()]

    assert words == ["holds", "---------", "not tried"]
