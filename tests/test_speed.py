"""The benchmark takes turns, counts right, and lets nobody take part who does other work."""

import dataclasses
import itertools
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.speed import gluon, numpy_bptt, ours, rows, stage, table, work, worker
from benchmarks.speed.arena import ROOT, ContenderError, Process, Setting, compare, take_turns

TINY = {"vocab_size": 5, "hidden_dim": 6, "batch_size": 3, "num_steps": 4}
PEERS = {  # in the environment that make bench installs: the library, and how two layers are written
    "pytorch": ("torch", ["cell, eager, fused Adam", "nn, eager, fused Adam"]),
    "jax": ("jax", ["scan, rows", "scan by 5, rows, layers together"]),
}
New = Callable[[work.Task], work.Contender]


class Fake:
    """A contender whose turns take so many seconds, one after the other."""

    def __init__(self, name: str, seconds: list[float], diary: list[str]) -> None:
        self.name, self.seconds, self.diary = name, iter(seconds), diary

    def __call__(self) -> float:
        self.diary.append(self.name)
        return next(self.seconds)


def test_contenders_alternate_and_each_is_first_as_often() -> None:
    diary: list[str] = []

    found = take_turns({"a": Fake("a", [1, 2, 3, 4], diary), "b": Fake("b", [5, 6, 7, 8], diary)}, 4)

    assert "".join(diary) == "abbaabba"
    assert found == {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}


def test_ratio_is_of_medians_and_to_the_best_peer() -> None:
    seconds = {"ours": [1, 2, 9.0], "slow": [8, 8, 8.0], "fast": [1, 9, 3.0], "left out": [0.1, 0.1, 0.1]}

    ratio = compare(seconds, ["slow", "fast"])

    assert (ratio.peer, ratio.median) == ("fast", 3 / 2)  # medians, not means (13 / 12) nor a lucky round
    assert (ratio.low, ratio.high) == pytest.approx(((1 / 3 + 1) / 2, (1 + 9 / 2) / 2))  # of 1, 9 / 2, 1 / 3


def test_limit_takes_each_product_from_the_library_that_is_fastest_at_it() -> None:
    products = {"one": [[1.0, 20.0], [3.0, 20.0], [2.0, 90.0]], "other": [[5.0, 4.0]] * 3}

    assert stage.fastest_products(products) == 2 + 4


def test_products_of_a_step_are_those_of_the_seed() -> None:
    flops = [product.flops for product in work.Task().products()]

    assert sum(flops[:3]) == 3 * 2 * 1120 * 256 * 2613
    assert sum(flops[3:]) == pytest.approx(3 * 2 * 1120 * 256 * 256, rel=0.02)  # the first state is zero


def test_a_second_layer_multiplies_what_the_first_hands_up() -> None:
    task = work.Task("lstm", num_layers=2)
    flops = sum(product.flops for product in task.products())

    recurrences, between, output = 2 * 256 * 1024, 256 * 1024, 256 * 2613
    assert flops == pytest.approx(3 * 2 * 1120 * (recurrences + between + output), rel=0.02)
    assert [one.shape for one in task.params()[3:6]] == [(256, 1024), (256, 1024), (1024,)]


def test_other_work_is_named() -> None:
    wanted = {"losses": [2.0, 1.0], "gradients": [0.5]}

    assert stage.differ({"losses": [2.001, 1.0], "gradients": [0.5]}, wanted) == ""
    assert "0.6 instead of 0.5" in stage.differ({"losses": [2.0, 1.0], "gradients": [0.6]}, wanted)
    assert "losses" in stage.differ({"losses": [2.0], "gradients": [0.5]}, wanted)


@pytest.mark.parametrize("theta", [1e9, 0.01])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_numpy_gluon_and_the_tutorial_have_our_losses_and_gradients(cell: str, theta: float) -> None:
    task = work.Task(cell, **TINY, theta=theta)
    gluons = [partial(gluon.Fused, variant=way) for way in gluon.Fused.variants(task) if cell != "gru"]
    _agree(task, ours.Ours, [numpy_bptt.Bptt, ours.Tutorial, *gluons])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_two_layers_have_the_losses_and_gradients_that_numpy_has(cell: str) -> None:
    task = work.Task(cell, **TINY, num_layers=2)
    gluons = [partial(gluon.Fused, variant=way) for way in gluon.Fused.variants(task) if cell != "gru"]
    _agree(task, numpy_bptt.Bptt, [ours.Ours, *gluons])


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_two_layers_of_peers_have_the_losses_and_gradients_that_numpy_has(name: str) -> None:
    """-k peers -rs says whether it ran."""
    python, (library, ways) = ROOT / ".venv-peers/bin/python", PEERS[name]
    if not python.exists() or subprocess.run([python, "-c", f"import {library}"]).returncode:
        pytest.skip(f"no {library} in .venv-peers: make bench installs it")
    process = Process(name, python, Setting(1))
    try:
        for cell, way in itertools.product(("rnn", "gru", "lstm"), ways):
            if (cell, way[:2]) != ("gru", "nn"):  # its reset gate acts after the product
                task = work.Task(cell, **{**TINY, "vocab_size": 20}, num_layers=2)
                process.ask("open", task=dataclasses.asdict(task), variant=way)
                wanted = worker.first_steps(numpy_bptt.Bptt, task, task.corpus())
                assert stage.differ(process.ask("first_steps"), wanted) == "", (cell, way)
    finally:
        process.close()


def test_gru_of_gluon_has_its_own_form_and_agrees_with_that() -> None:
    task = work.Task("gru", **TINY)

    assert gluon.Fused.reset == "after"
    _agree(task, ours.ResetAfter, [partial(gluon.Fused, variant=way) for way in gluon.Fused.variants(task)])
    assert _first_steps(gluon.Fused, task)[0] != pytest.approx(_first_steps(ours.Ours, task)[0], rel=1e-4)


def _agree(task: work.Task, one: New, others: list[New]) -> None:
    losses, moments = _first_steps(one, task)
    for other in others:
        found = _first_steps(other, task)
        assert found[0] == pytest.approx(losses, rel=1e-4)
        for mine, theirs in zip(moments, found[1], strict=True):
            assert np.linalg.norm(mine - theirs) <= 1e-4 * np.linalg.norm(mine)


def _first_steps(new: New, task: work.Task) -> tuple[list[float], work.Params]:
    """Four losses, and Adam's moments after two steps: they hold both gradients, as they were clipped."""
    contender, losses = new(task), []
    for i, batch in zip(range(4), task.batches(task.corpus(300))):
        losses.append(contender.step(*batch))
        if i == 1:
            moments = [np.array(moment) for moment in contender.moments()]
    return losses, moments


def test_a_process_answers_and_one_that_ends_is_named() -> None:
    process = Process("numpy", Path(sys.executable), Setting(1))
    try:
        process.ask("open", task=TINY)
        assert process.ask("train", steps=2) > 0
        assert len(process.ask("products")) == 6
        with pytest.raises(ContenderError, match=r"numpy.* 1: .*'fly'"):
            process.ask("fly")
    finally:
        process.close()


def test_contenders_are_compared_on_the_corpus_that_the_stage_is_given() -> None:
    task, corpus = work.Task(**TINY), np.arange(300) % 5
    with stage.Stage(stage.Bench(Path(sys.executable), stage.QUICK), "rnn", task, corpus) as one:
        found = one.start("numpy", Setting(1)).ask("first_steps")

    assert stage.differ(found, worker.first_steps(numpy_bptt.Bptt, task, corpus)) == ""
    assert "losses" in stage.differ(found, worker.first_steps(numpy_bptt.Bptt, task, task.corpus()))


def test_the_row_with_two_layers_trains_on_all_poems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "train", lambda name, bench, corpus: corpus)

    corpus: Any = rows.MEASURES["lstm-2-layers"]("lstm-2-layers", stage.Bench(Path(), stage.QUICK))

    assert len(corpus) == 1_769_407  # see data/README.md
    assert rows.TRAINING["lstm-2-layers"][0].vocab_size == corpus.max() + 1


def test_rows_that_are_not_measured_again_stay(tmp_path: Path) -> None:
    path = tmp_path / "speed.md"
    table.keep([{"row": "a", "ours": "1"}, {"row": "b", "ours": "2"}], ["b", "a"], "", path)

    table.keep([{"row": "a", "ours": "3"}], ["b", "a"], "here", path)

    lines = [table.cells(line) for line in path.read_text().splitlines() if line.startswith("| ")]
    assert [(line[0], line[2]) for line in lines if len(line) == len(table.COLUMNS)][2:] == [
        ("b", "2"),
        ("a", "3"),
    ]


def test_every_way_that_was_tried_stays_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "speed.md"
    ways = [
        {"row": "b", "who": "JAX", "way": "scan", "times": "7 [2]"},
        {"row": "b", "who": "JAX", "way": "loop"},
    ]
    table.keep([{"row": "a"}, {"row": "b", "ways": ways}], ["b", "a"], "", path)

    table.keep([{"row": "a", "ways": [{"row": "a", "who": "JAX", "way": "scan"}]}], ["b", "a"], "", path)
    table.keep([{"row": "b", "ways": ways[:1]}], ["b", "a"], "", path)

    lines = [table.cells(line) for line in path.read_text().splitlines() if line.startswith("| ")]
    kept = [tuple(line) for line in lines if len(line) == len(table.WAYS)][2:]
    assert kept == [("b", "JAX", "scan", "7 [2]"), ("a", "JAX", "scan", "")]


class Rehearsal(stage.Stage):
    """A stage on which a process is its setting, and a turn takes as many milliseconds as it says."""

    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__(stage.Bench(Path(), stage.FULL), "rnn", work.Task())
        self.seconds, self.asked = seconds, []

    def start(self, name: str, setting: Setting, **how: object) -> Process:
        self.asked.append(setting)
        if setting.variant == "broken":
            raise ContenderError("pytorch ended with 1: no")
        return SimpleNamespace(name=name, setting=setting, close=lambda: None)  # type: ignore[return-value]

    def turn(self, process: Process) -> float:
        return self.seconds[process.setting.variant] / process.setting.threads


def test_every_way_is_tried_and_the_fastest_takes_part() -> None:
    ways = {"slow": 9.0, "broken": 0.0, "fast": 2.0, "middle": 3.0}
    with Rehearsal(ways) as rehearsal:
        rehearsal.enter(["pytorch"], rehearsal.turn, list(ways))

        first, *others = rehearsal.bench.settings("pytorch")
        assert rehearsal.processes["pytorch"].setting.variant == "fast"
        assert [one.variant for one in rehearsal.asked[:4]] == list(ways)
        assert {one.variant for one in rehearsal.asked[4:]} == {"fast", "middle"} or not others
        assert rehearsal.tried["pytorch"][0].seconds == 2.0 / first.threads
        assert {one.process.setting.variant for one in rehearsal.tried["pytorch"]} == {
            "slow",
            "fast",
            "middle",
        }


def test_the_fastest_in_turns_takes_part_though_another_is_fastest_alone() -> None:
    alone = {"first": 2.0, "second": 3.0, "third": 4.0, "fourth": 5.0}
    in_turns = {"first": 9.0, "fourth": 1.0}  # the fourth does not come so far
    with Rehearsal(alone) as rehearsal:
        count = Counter[str]()

        def turn(process: Process) -> float:
            way = process.setting.variant
            count[way] += 1
            return in_turns.get(way, alone[way]) if count[way] > 4 else alone[way]

        rehearsal.enter(["pytorch"], turn, list(alone))

        assert rehearsal.processes["pytorch"].setting.variant == "second"
        assert rehearsal.tried["pytorch"][0].process is rehearsal.processes["pytorch"]


def test_a_contender_none_of_whose_ways_works_takes_no_part() -> None:
    with Rehearsal({"broken": 0.0}) as rehearsal:
        rehearsal.enter(["pytorch"], rehearsal.turn, ["broken"])

        assert rehearsal.processes == {}


@pytest.mark.parametrize(("temperature", "is_right"), [(0.8, True), (1.6, False), (0.4, False), (0.0, False)])
def test_texts_drawn_at_another_temperature_are_noticed(temperature: float, is_right: bool) -> None:
    task = work.Task(vocab_size=50, hidden_dim=16)
    first = list(range(1, 33))
    written = ours.Ours(task).decode(first, 60, temperature)

    far = work.surprise(task, np.array([[char, *text] for char, text in zip(first, written)]), 0.8)

    assert (abs(far) < 4.5) == is_right


@pytest.mark.parametrize(
    "path",
    ["README.md", "README.zh.md", "CHANGELOG.md", "chapters/en/15-fast.md", "chapters/zh/15-fast.md"],
)
def test_what_is_said_of_the_speed_is_what_was_measured(path: str) -> None:
    measured = (ROOT / "benchmarks/speed.md").read_text(encoding="utf-8").splitlines()
    table_rows = [dict(zip(table.COLUMNS, table.cells(line))) for line in measured if line.startswith("| ")]
    ratios = {row["row"]: row["ratio"].split()[0] for row in table_rows if row.get("ratio")}
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    said = [re.findall(r"\b\d\.\d\d\b", line) for line in lines if "`make bench`" in line]
    given = next(filter(None, said))

    rows = ["rnn", "gru", "lstm", "vocab-28", "lstm-vocab-28"][: len(given)]
    assert len(rows) >= 3
    assert given == [ratios[row] for row in rows]
