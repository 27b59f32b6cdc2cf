"""What is measured after each epoch: all of a held-out text or a sample of it, shared among workers."""

from __future__ import annotations

import importlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import train
from d2lrnn.engine.kvstore import Workers
from d2lrnn.running import run as run_module
from d2lrnn.running.closing import decode
from d2lrnn.running.dataset import Dataset, log_frequencies, sample_heldout, share_of_unseen
from d2lrnn.running.directory import load_run
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings

import numpy as np
import pytest
from small_run import SMALL, exit_code_of, perplexities, run_small

evaluate_command = importlib.import_module("d2lrnn.evaluate")

SIZES: dict[str, Any] = {"max_chars": 600, "hidden_dim": 8, "batch_size": 4, "num_steps": 5}
STRETCHES = 64


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stretches_of(indices: Any) -> list[Any]:
    """Of 300 characters a sample of 200, by hand: 64 of 4 characters, of which 3 are measured."""
    return [indices[4 * k : 4 * k + 3] for k in range(STRETCHES)]


# --- which characters ---


@pytest.mark.parametrize(
    ("num_chars", "starts", "length"),
    [
        (200, range(0, 256, 4), 3),  # 64 · 3 = 192
        (299, range(0, 256, 4), 4),
        (127, range(0, 252, 4), 2),  # two characters each: one is read, one is predicted
        (11, range(0, 300, 60), 2),
        (2, [0], 2),
    ],
)
def test_a_sample_is_of_stretches_that_begin_evenly_spaced(num_chars: int, starts: Any, length: int) -> None:
    sample = sample_heldout(np.arange(300), num_chars)

    assert sample.tolist() == [start + k for start in starts for k in range(length)]


@pytest.mark.parametrize("num_chars", [0, 300, 301])
def test_a_text_that_is_no_longer_than_the_sample_is_measured_whole(num_chars: int) -> None:
    assert sample_heldout(np.arange(300), num_chars).tolist() == [*range(300)]


def test_by_default_a_million_characters_are_measured() -> None:
    most = Settings().heldout_sample

    assert (
        len(sample_heldout(np.arange(1_000_001), most))
        == len(sample_heldout(np.arange(10**6), most))
        == 10**6
    )
    assert len(sample_heldout(np.arange(3_000_000), most)) == 10**6


# --- what a run does with it ---


def test_a_run_measures_the_sample_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--heldout", 0.5, "--heldout-sample", 200, "--epochs", 2)
    assert run_small(*flags, "--out", "a") == 0
    out = capsys.readouterr().out

    found = load_run(Path("a"))
    text = d2lrnn.load_corpus("lyrics", max_chars=600)
    indices = np.array(found.vocab.encode(text))
    sample = np.concatenate(stretches_of(indices[300:]))
    expected = d2lrnn.evaluate(d2lrnn.rnn, found.params, d2lrnn.init_rnn_state, sample, STRETCHES, 5)
    assert perplexities("a")[-1][1] == pytest.approx(expected, rel=1e-4)
    pairs = d2lrnn.CountModel(indices[:300], len(found.vocab), 2)
    assert f"counting pairs {d2lrnn.evaluate_counts(pairs, sample, STRETCHES):,.4g}" in out
    assert "after each epoch 192 of the 300 held-out characters are measured" in out
    config = json.loads(Path("a/config.json").read_text("utf-8"))
    assert config["heldout_sample"] == 200
    assert (config["facts"]["heldout_chars"], config["facts"]["heldout_measured"]) == (300, 192)

    assert evaluate_command.main(["a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"][0]["characters"] == 300
    assert train.main(["--resume", "a", "--epochs", "3", "--heldout-sample", "100"]) == 2


def test_a_run_that_measures_all_has_nothing_to_say_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--epochs", 1, "--out", "a") == 0

    assert "after each epoch" not in capsys.readouterr().out
    facts = json.loads(Path("a/config.json").read_text("utf-8"))["facts"]
    assert facts["heldout_measured"] == facts["heldout_chars"] == 60


def test_the_sample_is_the_same_for_every_batch_size_and_number_of_workers() -> None:
    several = {"batch_size": 7}, {"workers": 2}, {"seed": 5}, {"num_steps": 3}
    runs = [Run(Settings(heldout=0.5, heldout_sample=200, **{**SIZES, **more})) for more in ({}, *several)]
    first, *others = [run.heldout_rows.tolist() for run in runs]

    assert first == [row.tolist() for row in stretches_of(runs[0].dataset.heldout_indices)]
    assert others == [first] * len(others)


def test_a_network_can_be_measured_in_the_memory_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def noting(
        rnn: Any, params: Any, init: Any, indices: Any, rows: int, num_steps: int, *_: Any, **__: Any
    ) -> float:
        sizes.append((rows, num_steps))
        return 2.0

    monkeypatch.setattr(run_module, "evaluate", noting)
    run = Run(Settings(heldout=0.5, heldout_sample=200, **{**SIZES, "batch_size": 30}))
    run.measure(run.params, run.heldout_rows)
    run.measure(run.params, run.heldout_rows[:5])
    small = Run(Settings(heldout=0.5, heldout_sample=200, **{**SIZES, "batch_size": 1}))
    small.measure(small.params, small.heldout_rows)
    large = Run(Settings(heldout_sample=200, **{**SIZES, "max_chars": 4000, "batch_size": 512}))
    large.measure(large.params, large.heldout_rows)

    assert sizes == [(64, 30 * 5 // 64), (5, 30), (64, 1), (64, 32)]


# --- several workers ---


def noting_shares(run: Run) -> list[list[list[int]]]:
    """What run.measure is given from now on."""
    given: list[list[list[int]]] = []
    measure: Callable[[Any, np.ndarray], float] = run.measure
    run.measure = lambda params, rows: given.append(rows.tolist()) or measure(params, rows)  # type: ignore[method-assign, func-returns-value]
    return given


@pytest.mark.parametrize("sample", [0, 200])
@pytest.mark.parametrize("num_workers", [2, 3, 5])  # rows of all: 4, fewer than five workers
def test_each_worker_measures_its_share_and_the_figure_is_that_of_one(num_workers: int, sample: int) -> None:
    run = Run(Settings(heldout=0.5, heldout_sample=sample, **SIZES, workers=num_workers))
    alone = run.measure(run.measured, run.heldout_rows)
    shares = noting_shares(run)

    assert run._heldout_perplexity() == pytest.approx(alone, rel=1e-6)
    assert np.array_equal(np.concatenate(shares), run.heldout_rows)
    assert len(shares) == min(num_workers, len(run.heldout_rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


class Two(Workers):
    """The second of two workers, whose first has found these nats per character, in two rows of four."""

    def __init__(self, *nats: float) -> None:
        self.index, self.num_workers, self.shards, self.nats = 1, 2, (1,), list(nats)

    def gather(self, name: str, rows: np.ndarray) -> np.ndarray:
        return np.array([(self.nats.pop(0), 2), *rows], np.float32)


def test_all_workers_have_the_figure_of_all_and_stop_by_it() -> None:
    run = Run(Settings(**SIZES, heldout=0.5, workers=2, early_stop=2), 1)
    run.train_with(Two(5.0, 3.0, 3.5, 3.2))
    shares, ends, figures = noting_shares(run), [], []
    for _ in range(4):
        run.progress.nats, run.progress.num_chars, run.progress.seconds = 1.0, 1, 1.0
        figures.append(run.end_epoch()["heldout_perplexity"])
        ends.append(run.is_over)

    assert shares == [run.heldout_rows[2:].tolist()] * 4
    own = np.log(run.measure(run.measured, run.heldout_rows[2:]))  # its own is always the same
    assert figures == pytest.approx([np.exp((own + nats) / 2) for nats in (5, 3, 3.5, 3.2)], rel=1e-6)
    assert ends == [False, False, False, True]


# --- memory ---


def test_what_is_made_of_a_long_text_takes_few_bytes_a_character() -> None:
    chars, num_chars = [chr(0x4E00 + k) for k in range(3000)], 2**23
    indices = np.arange(num_chars, dtype=np.int32) % 2998
    indices[:2] = 2998, 2998
    vocab = d2lrnn.Vocab("".join(chars))
    dataset: Any = Dataset._make(
        [indices, indices[:0], indices[:0], vocab, *[None] * (len(Dataset._fields) - 4)]
    )
    counts = np.bincount(indices, minlength=3000)

    for make, most in (
        (lambda: log_frequencies(dataset, np.zeros(0)), 2),
        (lambda: share_of_unseen(dataset), 2),
        (lambda: decode(indices, chars), 5),  # of two bytes each are the text and its pieces
    ):
        tracemalloc.start()
        made: Any = make()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * num_chars, make

    assert made == "".join(map(chars.__getitem__, indices.tolist()))
    assert log_frequencies(dataset, np.zeros(0)) == pytest.approx(np.log((counts + 1) / (counts + 1).sum()))
    assert share_of_unseen(dataset).tolist() == [0.0] * 3000  # of no character that occurs once
    indices[1] = 2997
    assert share_of_unseen(dataset)[[0, 2998, 2999]] == pytest.approx([0, 0, 1 / num_chars])


# --- batches of any size ---


def test_a_batch_of_more_rows_than_the_heldout_text_has_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    big = [*SMALL, "--max-chars", "4000", "--batch-size", "512", "--epochs", "1"]

    assert exit_code_of(train.main, [*big, "--out", "a"]) == 0
    config = json.loads(Path("a/config.json").read_text("utf-8"))
    assert (config["batch_size"], config["facts"]["heldout_measured"]) == (512, 400)
    assert perplexities("a")[0][1] > 1
