"""When a run ends by itself, which of its networks is the best, and what it says that it has learnt."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sys
import types
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import predict, train
from d2lrnn.checkpoint import load_newest
from d2lrnn.running import run as run_module
from d2lrnn.running.averaging import take_into_mean
from d2lrnn.running.closing import decode, longest_copy
from d2lrnn.running.directory import OLDER, load_run
from d2lrnn.running.plot import draw_curve
from d2lrnn.running.settings import Settings

import numpy as np
import pytest
from mxnet import nd
from small_run import SMALL, exit_code_of, perplexities, run_small, weights

pytestmark = pytest.mark.slow

OVERFITS = ("--corpus", "my.txt", "--epochs", 30, "--hidden-dim", 32, "--lr", 0.03)
DRAWN = ("--temperature", 0.8)


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of words in no order: whoever has learnt to spell them learns no more, but by heart."""
    monkeypatch.chdir(tmp_path)
    words = np.random.default_rng(0).choice(["sea", "wind", "harbour", "gull", "sail", "net"], 150)
    Path("my.txt").write_text(" ".join(words))


class StopAfter:
    """In place of the module time in the training loop: sends a signal to ourselves at the n-th batch."""

    def __init__(self, num_batches: int) -> None:
        self.left = num_batches + 1

    def monotonic(self) -> float:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0


def stop_after(monkeypatch: pytest.MonkeyPatch, num_batches: int, *arguments: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train, "time", StopAfter(num_batches))
        assert run_small(*arguments) == 130


def best(folder: str) -> tuple[dict[str, bytes], Any]:
    _, arrays, facts, _ = load_newest(Path(folder) / "best")
    return {name: a.asnumpy().tobytes() for name, a in arrays.items()}, facts["epoch"]


def samples(folder: str) -> str:
    return Path(folder, "samples.txt").read_text("utf-8")


def texts_of(folder: str, what: str) -> list[str]:
    """The texts in samples.txt whose headings begin so."""
    _, *parts = re.split(r"^--- (.*?): .*\n", samples(folder), flags=re.MULTILINE)
    return [text[:-1] for heading, text in zip(parts[::2], parts[1::2]) if heading == what]


# --- early stopping ---


@pytest.mark.parametrize("patience", [1, 3])
def test_a_run_ends_where_lesson_14_would_have_stopped_it(
    patience: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run_small(*OVERFITS, "--out", "whole")
    heldout = [value for _, value in perplexities("whole")]
    end = next(n for n in range(1, 31) if d2lrnn.should_stop(heldout[:n], patience))
    capsys.readouterr()

    assert run_small(*OVERFITS, "--early-stop", patience, "--out", "a") == 0

    assert perplexities("a") == perplexities("whole")[:end]
    assert end < 30 == len(heldout)  # or this would tell nothing
    out = capsys.readouterr().out
    assert f"stopped after epoch {end}: no better held-out perplexity since epoch {end - patience}\n" in out
    k = d2lrnn.best_epoch(heldout[:end])
    assert best("a")[1] == k
    assert f"\nbest held-out {heldout[k - 1]:,.4g} at epoch {k} ({math.log2(heldout[k - 1]):.2f} bits" in out


@pytest.mark.parametrize("batch", [30, 62, 90])
def test_the_decision_survives_a_stop_and_the_loss_of_the_log(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*OVERFITS, "--early-stop", 2, "--average", 0.9, "--dropout", 0.3, *DRAWN)
    run_small(*arguments, "--out", "whole")
    stop_after(monkeypatch, batch, *arguments, "--out", "stopped")
    before = len(perplexities("stopped"))
    Path("stopped/metrics.jsonl").unlink()

    assert train.main(["--resume", "stopped"]) == 0

    assert len(perplexities("whole")) < 30
    assert perplexities("stopped") == perplexities("whole")[before:]
    assert weights("stopped") == weights("whole")
    assert best("stopped") == best("whole")
    assert samples("stopped") == samples("whole")


def test_a_run_that_has_stopped_early_goes_on_only_with_more_patience(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_small(*OVERFITS, "--early-stop", 4, "--out", "whole")
    run_small(*OVERFITS, "--early-stop", 1, "--out", "a")
    end = len(perplexities("a"))
    capsys.readouterr()

    for asked in ([], ["--epochs", "40"]):
        assert train.main(["--resume", "a", *asked]) == 2
        err = capsys.readouterr().err
        assert f"a stopped early, after epoch {end}: " in err
        assert "give a larger --early-stop" in err
    assert train.main(["--resume", "a", "--early-stop", "4"]) == 0
    assert end < len(perplexities("whole")) < 30
    assert perplexities("a") == perplexities("whole")
    assert weights("a") == weights("whole")


def test_without_heldout_text_early_stopping_is_refused_and_not_a_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_small("--heldout", 0, "--early-stop", 3, "--out", "a") == 2
    assert "--early-stop 3 goes by held-out text" in capsys.readouterr().err
    assert not Path("a").exists()

    default = [*SMALL]
    del default[default.index("--early-stop") :][:2]
    assert train.main([*default, "--heldout", "0", "--epochs", "9", "--out", "b"]) == 0
    assert len(perplexities("b")) == 9
    assert json.loads(Path("b/config.json").read_text("utf-8"))["early_stop"] == 0


# --- what is measured and kept: the running mean of the weights ---


def test_the_mean_follows_its_definition_and_begins_quickly() -> None:
    rng = np.random.default_rng(0)
    path = rng.normal(size=(200, 3)).astype("float32")
    means, expected = [nd.array(path[0])], path[0].astype("float64")
    for t in range(1, 200):
        take_into_mean([nd.array(path[t])], means, 0.9, t)
        d = min(0.9, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * path[t]

    assert means[0].asnumpy() == pytest.approx(expected, rel=1e-4)


def test_the_mean_is_what_is_measured_kept_and_written_with(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--corpus", "my.txt", "--epochs", 2, "--average", 0.95, "--out", "a")

    written = weights("a")
    assert written["W_hy"] != written["mean_W_hy"] == best("a")[0]["W_hy"]
    for kept in (False, True):
        assert load_run(Path("a"), best=kept).params.W_hy.asnumpy().tobytes() == written["mean_W_hy"]
    found, text = load_run(Path("a")), Path("my.txt").read_text()[:600]
    heldout = found.vocab.encode(text)[540:]
    measured = d2lrnn.evaluate(d2lrnn.rnn, found.params, d2lrnn.init_rnn_state, heldout, 4, 5)
    assert measured == pytest.approx(perplexities("a")[-1][1], rel=1e-4)
    last, *_ = texts_of("a", "epoch 2")
    capsys.readouterr()
    predict.main(["a", "--length", "6", "--temperature", "0"])
    assert f"{last}\n" in capsys.readouterr().out


def test_the_output_bias_begins_as_the_unigram_of_lesson_14() -> None:
    options = Settings(max_chars=600, hidden_dim=8, batch_size=4, num_steps=5)
    run = run_module.Run(options)
    counts = d2lrnn.CountModel(run.dataset.train_indices, len(run.vocab), 1)

    expected = [math.log(counts.probability(char)) for char in range(len(run.vocab))]
    assert run.params.b_y.asnumpy() == pytest.approx(expected, rel=1e-4)


# --- the default run ---


@pytest.mark.parametrize(("sizes", "given", "chosen"), [
    ((31_141, 3460, 2493), {}, (0.8, 0.01, 100, 5)),
    ((30_000, 3333, 1000), {}, (0.0, 0.005, 100, 5)),
    ((29_999, 0, 1000), {}, (0.8, 0.01, 100, 0)),
    ((2_300, 100, 1000), {}, (0.8, 0.01, 8, 5)),
    ((2_300, 100, 1000), {"optimizer": "sgd"}, (0.8, 100.0, 8, 5)),
    ((31_141, 0, 2493), {"dropout": 0.0, "lr": 1.0, "warmup": 0, "early_stop": 0}, (0.0, 1.0, 0, 0)),
])  # fmt: skip
def test_what_is_not_given_follows_from_the_text(
    sizes: tuple[int, int, int], given: dict[str, Any], chosen: tuple[float, ...]
) -> None:
    found = Settings(**given).chosen(*sizes)

    assert (found.dropout, found.lr, found.warmup, found.early_stop) == chosen
    assert Settings.chosen(found, 10**6, 10**5, 10) == found  # and stays, whatever the text has become


def test_the_default_run_is_better_than_counting(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--out", "a", "--pred-period", "100"]) == 0

    out = capsys.readouterr().out
    assert "; sparse text, 12 times each character on average: dropout 0.8, lr 0.01\n" in out
    found = re.search(r"best held-out ([\d.]+) .* counting characters ([\d.]+), counting pairs ([\d.]+)", out)
    assert found
    best_of_all, one, two = map(float, found.groups())
    assert best_of_all < two < one


# --- samples ---


def test_samples_repeat_however_often_they_are_written() -> None:
    for folder, period, more in (
        ("a", 1, ()),
        ("b", 2, ()),
        ("c", 2, ("--seed", 1)),
        ("d", 4, ("--temperature", 0)),
    ):
        run_small("--epochs", 4, *DRAWN, "--pred-period", period, *more, "--out", folder)

    of = {folder: "\n".join(texts_of(folder, "epoch 4")) for folder in "abcd"}
    assert of["a"] == of["b"]
    assert len({of["b"], of["c"], of["d"]}) == 3


# --- older runs ---


def test_a_run_that_knew_nothing_of_these_settings_goes_on_as_it_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_small("--epochs", 4, "--lr", 0.03, "--out", "whole")
    config = run_module.Run.config
    with monkeypatch.context() as patch:
        patch.setattr(
            run_module.Run, "config", lambda run: {k: v for k, v in config(run).items() if k not in OLDER}
        )
        run_small("--epochs", 2, "--lr", 0.03, "--out", "a")
    assert not OLDER.keys() & json.loads(Path("a/config.json").read_text("utf-8")).keys()

    assert train.main(["--resume", "a", "--epochs", "4"]) == 0

    assert weights("a") == weights("whole")
    assert perplexities("a") == perplexities("whole")
    assert texts_of("a", "epoch 4") == texts_of("whole", "epoch 4") != []
    assert OLDER.items() <= json.loads(Path("a/config.json").read_text("utf-8")).items()


# --- closing lines and curve ---


def test_the_closing_lines_tell_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    run_small(*OVERFITS, "--early-stop", 3, *DRAWN, "--pred-len", 40, "--out", "a")

    out = capsys.readouterr().out
    assert f"rnn of {2 * 16 * 32 + 32 * 32 + 32 + 16:,} parameters on " in out  # of 16 characters
    text, facts = Path("my.txt").read_text()[:600], load_run(Path("a"), best=True)
    indices = facts.vocab.encode(text)
    for order, name in ((1, "characters"), (2, "pairs")):
        counts = d2lrnn.CountModel(indices[:540], len(facts.vocab), order)
        assert f"counting {name} {d2lrnn.evaluate_counts(counts, indices[540:], 4):,.4g}" in out
    known = d2lrnn.evaluate(d2lrnn.rnn, facts.params, d2lrnn.init_rnn_state, indices[:540], 4, 5)
    assert f"memorised: perplexity {known:,.4g} on text it was trained on" in out
    end = len(perplexities("a"))
    written = texts_of("a", f"epoch {end}, written by the best, of epoch {best('a')[1]}")
    texts = [one[len(p) :] for one, p in zip(written, facts.settings.prefix)]
    copied = longest_by_trying(texts, text[:540])
    assert re.search(rf"copied word for word has {len(copied)} characters", out)


def test_without_heldout_text_the_closing_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--heldout", 0, "--epochs", 1, "--out", "a")

    assert re.search(
        r"perplexity [\d.]+ \([\d.]+ bits per character\).*nothing was held out", capsys.readouterr().out
    )


def longest_by_trying(texts: list[str], source: str) -> str:
    passages = [t[i:j] for t in texts for i in range(len(t)) for j in range(i, len(t) + 1)]
    return max((p for p in passages if p in source), key=len, default="")


def test_the_longest_copy_is_that_of_trying_all_passages() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        source, *texts = ("".join(rng.choice(list("ab "), n)) for n in (60, 9, 0, 12))
        assert len(longest_copy(texts, source)) == len(longest_by_trying(texts, source))
        assert longest_copy(texts, source) in source


def test_many_characters_are_decoded_at_once() -> None:
    vocab = d2lrnn.Vocab("a\0b𝄞文\n")
    indices = np.array(vocab.encode("文\0𝄞b\n\0"))

    assert decode(indices, vocab.idx_to_char) == "文\0𝄞b\n\0"


@pytest.mark.parametrize(("heldout", "words"), [
    ([400.0, 357.0, 500.0], "best 357 at epoch 2"),
    ([None, math.nan, 31.25, 31.25], "best 31.25 at epoch 3"),
    ([None, None], None),
])  # fmt: skip
def test_the_curve_marks_the_best_epoch(heldout: list[float | None], words: str | None) -> None:
    metrics = [
        {"epoch": epoch, "train_perplexity": 9.0 / epoch, "heldout_perplexity": value}
        for epoch, value in enumerate(heldout, 1)
    ]
    drawn = draw_curve(metrics).decode()

    assert re.findall(r"<!-- (best .*?) -->", drawn) == ([words] if words else [])


# --- TensorBoard ---


def test_where_tensorboard_is_missing_it_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)

    assert exit_code_of(train.main, [*SMALL, "--tensorboard", "--out", "a"]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "python -m pip install tensorboard" in err
    assert not Path("a").exists()


def test_events_are_the_metrics_and_begin_with_the_epochs_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for TensorBoard's writer, where that is not installed."""
    written: list[tuple[str, float, int]] = []
    closed: list[str] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            self.folder = folder

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            pass

        def close(self) -> None:
            closed.append(self.folder)

    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", types.SimpleNamespace(Writer=Writer))
    run_small("--epochs", 2, "--heldout", 0, "--out", "a")
    Path("a/events.out.tfevents.1").touch()

    assert train.main(["--resume", "a", "--epochs", "3", "--tensorboard"]) == 0

    assert not Path("a/events.out.tfevents.1").exists()
    found = [(value, step) for name, value, step in written if name == "train_perplexity"]
    assert found == [(value, k) for k, (value, _) in enumerate(perplexities("a"), 1)]
    assert len(found) == 3
    assert "heldout_perplexity" not in {name for name, _, _ in written}  # nothing was held out
    assert closed == ["a"]


def test_tensorboard_reads_each_epoch_once_also_of_a_run_that_goes_on() -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util.tensor_util import make_ndarray

    run_small("--epochs", 2, "--out", "a")  # without the flag
    for epochs in ("3", "4"):
        assert train.main(["--resume", "a", "--epochs", epochs, "--tensorboard"]) == 0

    events = reader.EventAccumulator("a")
    events.Reload()
    for k, name in enumerate(("train_perplexity", "heldout_perplexity")):
        found = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        assert [step for step, _ in found] == [1, 2, 3, 4]
        assert [value for _, value in found] == pytest.approx([pair[k] for pair in perplexities("a")])
