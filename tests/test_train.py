"""The commands as their user meets them: what a run leaves, that nothing is lost, what is refused."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from d2lrnn import config, predict, train
from d2lrnn import run as run_module
from d2lrnn.checkpoint import load_checkpoint
from d2lrnn.config import Settings

SMALL = shlex.split(
    "--max-chars 600 --hidden-dim 8 --batch-size 4 --num-steps 5 --pred-len 6 --pred-period 2"
)
FILES = {"config.json", "metrics.jsonl", "curve.svg", "samples.txt", "checkpoint.npz"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    return


def run_small(*arguments: Any) -> int:
    return train.main([*SMALL, *map(str, arguments)])


def perplexities(folder: str | Path) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [(line["train_perplexity"], line["heldout_perplexity"]) for line in lines]


def weights(folder: str | Path) -> dict[str, bytes]:
    arrays, _ = load_checkpoint(Path(folder) / "checkpoint.npz")
    return {name: array.asnumpy().tobytes() for name, array in arrays.items()}


# --- what a run is ---


def test_a_run_leaves_settings_metrics_curve_samples_and_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--epochs", 4, "--out", "a") == 0

    assert {path.name for path in Path("a").iterdir()} == FILES
    config_json = json.loads(Path("a/config.json").read_text(encoding="utf-8"))
    assert (config_json["hidden_dim"], config_json["cell"], config_json["lr"]) == (8, "rnn", 0.005)
    first = json.loads(Path("a/metrics.jsonl").read_text().splitlines()[0])
    assert list(first) == ["epoch", "train_perplexity", "heldout_perplexity", "chars_per_second", "seconds"]
    assert Path("a/curve.svg").read_text().startswith("<?xml")
    samples = Path("a/samples.txt").read_text(encoding="utf-8")
    assert [line for line in samples.splitlines() if line.startswith("epoch")] == ["epoch 2", "epoch 4"]
    out, err = capsys.readouterr()
    assert "epoch   4  perplexity" in out
    assert err == ""  # no progress bar where there is no terminal


def test_training_lowers_the_perplexity_and_ends_below_the_vocabulary_size() -> None:
    run_small("--epochs", 8, "--out", "a", "--lr", 0.03)

    train_perplexities = [pair[0] for pair in perplexities("a")]
    vocab_size = json.loads(Path("a/config.json").read_text(encoding="utf-8"))["facts"]["vocab_size"]
    assert train_perplexities[-1] < train_perplexities[0] < vocab_size * 1.05


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("sampler", ["random", "consecutive"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_kind_of_run_repeats_to_the_last_bit(cell: str, sampler: str, optimizer: str) -> None:
    kind = ["--cell", cell, "--sampler", sampler, "--optimizer", optimizer, "--layers", 2, "--epochs", 2]

    run_small(*kind, "--out", "a")
    run_small(*kind, "--out", "b")

    assert perplexities("a") == perplexities("b")
    assert weights("a") == weights("b")


def test_another_seed_is_another_run() -> None:
    run_small("--epochs", 1, "--out", "a", "--seed", 1)
    run_small("--epochs", 1, "--out", "b", "--seed", 2)

    assert perplexities("a") != perplexities("b")


@pytest.mark.slow
def test_a_run_does_not_depend_on_the_order_of_sets() -> None:
    for folder, hash_seed in (("a", "0"), ("b", "42")):
        command = [sys.executable, "-m", "d2lrnn.train", *SMALL, "--epochs", "3", "--out", folder]
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True
        )

    assert perplexities("a") == perplexities("b")
    assert weights("a") == weights("b")


def test_heldout_0_trains_on_everything() -> None:
    assert run_small("--epochs", 1, "--heldout", 0, "--out", "a") == 0

    facts = json.loads(Path("a/config.json").read_text(encoding="utf-8"))["facts"]
    assert (facts["train_chars"], facts["heldout_chars"]) == (600, 0)
    assert perplexities("a")[0][1] is None


def test_runs_without_a_name_do_not_overwrite_each_other() -> None:
    run_small("--epochs", 1)
    run_small("--epochs", 1)

    assert {path.name for path in Path("runs").iterdir()} == {"lyrics-rnn", "lyrics-rnn-2"}


def test_a_text_of_ones_own_begins_its_samples_with_its_own_characters() -> None:
    Path("my.txt").write_text("the quick brown fox " * 40)

    assert train.main([*SMALL, "--corpus", "my.txt", "--epochs", "2", "--out", "a"]) == 0
    assert "the q" in Path("a/samples.txt").read_text()


@pytest.mark.slow
def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    reader, writer = pty.openpty()
    code = "import fcntl, struct, sys, termios;"
    code += "fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0));"
    code += "from d2lrnn.train import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *SMALL, "--epochs", "3", "--out", "a"]
    with subprocess.Popen(
        command, stderr=writer, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        process.wait(60)
    os.close(writer)

    assert "perplexity" in os.read(reader, 65536).decode(errors="replace")


# --- nothing is lost ---


class StopAfter:
    """In place of time.monotonic in the training loop: sends a signal to ourselves at the n-th batch."""

    def __init__(self, num_batches: int, number: int) -> None:
        self.left, self.number = num_batches, number

    def monotonic(self) -> float:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)
        return 0.0


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("sampler", ["random", "consecutive"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("batch", [1, 30])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    cell: str, sampler: str, optimizer: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ["--cell", cell, "--sampler", sampler, "--optimizer", optimizer]
    run_small(*kind, "--epochs", 4, "--out", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(train, "time", StopAfter(batch + 1, signal.SIGINT))
        assert run_small(*kind, "--epochs", 4, "--out", "stopped") == 130

    assert train.main(["--resume", "--out", "stopped"]) == 0

    assert perplexities("stopped") == perplexities("whole")
    assert weights("stopped") == weights("whole")
    assert Path("stopped/samples.txt").read_text("utf-8") == Path("whole/samples.txt").read_text("utf-8")


def test_sigterm_saves_too_and_says_so_in_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "time", StopAfter(3, signal.SIGTERM))

    assert run_small("--epochs", 4, "--out", "a") == 143
    assert "saved; go on with python -m d2lrnn.train --resume --out a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "busy_with"),
    [(train, "d2lrnn.run.Run"), (predict, "d2lrnn.run.newest_run")],
    ids=["train", "predict"],
)
def test_ctrl_c_while_there_is_nothing_to_save_leaves_no_traceback(
    command: Any, busy_with: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(busy_with, pressed)

    assert command.main([]) == 130


def test_a_long_epoch_is_saved_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(train, "SAVE_SECONDS", -1)
    monkeypatch.setattr(run_module.Run, "save", lambda run: saved.append(run.batch))

    run_small("--epochs", 1, "--out", "a")

    assert saved[:4] == [0, 1, 2, 3]


def test_after_the_first_ctrl_c_the_second_ends_the_process_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with train.Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)

        assert stop.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == before


def test_resume_takes_up_more_epochs_and_forgets_what_was_logged_after_the_checkpoint() -> None:
    run_small("--epochs", 4, "--out", "whole")
    run_small("--epochs", 2, "--out", "a")
    with open("a/metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "train_per')  # the process died while it wrote this line

    assert train.main(["--resume", "--out", "a", "--epochs", "4"]) == 0

    assert perplexities("a") == perplexities("whole")
    assert json.loads(Path("a/config.json").read_text("utf-8"))["epochs"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden-dim", "9"], "--hidden-dim 9: a was begun with 8; leave --hidden-dim away"),
        (["--sampler", "consecutive"], "--sampler consecutive: a was begun with random"),
        ([], "a has had its 1 epochs: give a larger --epochs"),
    ],
)
def test_resume_refuses_what_would_make_another_run(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_small("--epochs", 1, "--out", "a")
    capsys.readouterr()

    assert train.main(["--resume", "--out", "a", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_resume_refuses_a_corpus_that_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my.txt").write_text("the quick brown fox " * 40)
    train.main([*SMALL, "--corpus", "my.txt", "--epochs", "1", "--out", "a"])
    Path("my.txt").write_text("the quick brown dog " * 40)

    assert train.main(["--resume", "--out", "a", "--epochs", "2"]) == 2
    assert "is not the one that this run began with" in capsys.readouterr().err


def test_a_loss_that_explodes_ends_the_run_and_keeps_the_checkpoint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_small("--epochs", 3, "--out", "a", "--optimizer", "sgd", "--lr", "1e30") == 1

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "epoch 1, batch" in err
    assert "try a smaller learning rate; the last checkpoint in a is kept" in err
    arrays, _ = load_checkpoint(Path("a/checkpoint.npz"))
    assert all(np.isfinite(array.asnumpy()).all() for array in arrays.values())


# --- what is refused ---

WRONG = {
    "--epochs 0": "--epochs 0: give a number of at least 1",
    "--epochs x": "argument --epochs: invalid int value: 'x'",
    "--epochs": "argument --epochs: expected one argument",
    "--epoch 3": "unrecognized arguments: --epoch 3",
    "--lr 0": "--lr 0.0: give a number above 0",
    "--lr nan": "--lr nan: give a number above 0",
    "--clip inf": "--clip inf: give a number above 0",
    "--heldout 1": "--heldout 1.0: give a number of at least 0 and below 1",
    "--heldout 0.001": "--heldout 0.001: not two of 600 characters",
    "--seed -1": "--seed -1: give a number of at least 0",
    "--seed 4294967296": "--seed 4294967296: give a number of at least 0 and below",
    "--cell transformer": "argument --cell: invalid choice: 'transformer'",
    "--corpus nowhere.txt": "'nowhere.txt' does not exist",
    "--corpus .": "'.' is a directory",
    "--prefix €": "'€' (U+20AC): not among the",
    "--prefix=": "--prefix is empty",
    "--num-steps 5000": "540 characters fill no batch of 4 x 5000: give at least 20001",
    "--hidden-dim 3000000": "give a smaller --hidden-dim",
    "--workers 2": "--workers 2: this version trains in one process",
    "--out nowhere/\0": "embedded null byte",
    "--resume --out nowhere": "nowhere is no run directory: config.json cannot be read",
    "--resume": "no run in runs/",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_mistake_is_answered_in_one_line_with_exit_code_2(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = run_small(*arguments.split(" "))
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert WRONG[arguments] in err
    assert not list(Path.cwd().iterdir())


@pytest.mark.skipif(mx.context.num_gpus() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--ctx", "gpu") == 2
    assert "MXNet sees no GPU here" in capsys.readouterr().err


def test_a_directory_with_a_run_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a")
    before = weights("a")

    assert run_small("--epochs", 1, "--out", "a", "--seed", 7) == 2

    assert "a holds a run: continue it with --resume, or give another --out" in capsys.readouterr().err
    assert weights("a") == before


def test_help_answers_before_mxnet_is_loaded() -> None:
    for command in ("train", "predict"):
        code = (
            f"import sys\nfrom d2lrnn import {command}\ntry: {command}.main(['--help'])\n"
            "except SystemExit as error: print('mxnet' in sys.modules, error.code)"
        )
        last = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True
        ).stdout.splitlines()[-1]

        assert last == "False 0"


def test_every_setting_has_a_flag_and_a_line_of_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        train.main(["--help"])

    shown = capsys.readouterr().out
    for field in Settings.__dataclass_fields__.values():
        assert "--" + field.name.replace("_", "-") in shown
        assert " ".join(field.metadata["help"].split()[:2]) in " ".join(shown.split())


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings()

    assert (settings.corpus, settings.cell, settings.sampler, settings.optimizer) == (
        "lyrics",
        "rnn",
        "random",
        "adam",
    )
    assert (settings.batch_size, settings.num_steps, settings.hidden_dim, settings.heldout) == (
        32,
        35,
        256,
        0.1,
    )
    assert config.PREFIXES == ("分开", "不分开", "战争中部队")


# --- python -m d2lrnn.predict ---


@pytest.fixture
def trained() -> str:
    run_small("--epochs", 2, "--out", "runs/a")
    return "runs/a"


def test_predict_without_arguments_continues_the_prefixes_of_the_newest_run(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prefixes = json.loads(Path(trained, "config.json").read_text("utf-8"))["prefix"]
    capsys.readouterr()

    assert predict.main([]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line[: len(p)] for line, p in zip(lines, prefixes)] == prefixes
    assert [len(line) for line in lines] == [len(p) + 100 for p in prefixes]


def test_predict_writes_what_the_run_wrote(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    last = Path(trained, "samples.txt").read_text("utf-8").split("epoch 2\n")[1].splitlines()[0]
    capsys.readouterr()

    predict.main([trained, "--length", "6"])

    assert capsys.readouterr().out.splitlines()[0] == last


@pytest.mark.parametrize("drawn", [["--temperature", "1.5"], ["--top-k", "5"], ["--top-p", "0.9"]])
def test_a_seed_repeats_what_is_drawn(
    trained: str, drawn: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for seed in ("1", "1", "2"):
        predict.main([trained, "--seed", seed, *drawn])
    texts = capsys.readouterr().out.split("\n")
    count = len(texts) // 3

    assert texts[:count] == texts[count : 2 * count] != texts[2 * count : 3 * count]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "nowhere is no run directory: config.json cannot be read (No such file or directory)"),
        ("runs/a --prefix €", "'€' (U+20AC): not among the"),
        ("runs/a --prefix=", "the prefix is empty"),
        ("runs/a --length -1", "-1"),
        ("runs/a --length x", "argument --length: invalid int value: 'x'"),
        ("runs/a --temperature -1", "temperature is -1.0: give a number from 0 (greedy) up"),
        ("runs/a --temperature nan", "temperature is nan"),
        ("runs/a --top-k 0", "top_k is 0: give an integer of at least 1"),
        ("runs/a --top-p 2", "top_p is 2.0: give a share"),
        ("runs/a --seed -1 --temperature 1", "seed is -1"),
    ],
)
def test_predict_answers_a_mistake_in_one_line(
    trained: str, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    try:
        code = predict.main(arguments.split(" "))
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_damaged_run_is_refused_by_name(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(trained, "checkpoint.npz").write_bytes(b"PK")
    assert predict.main([trained]) == 2
    Path(trained, "config.json").write_text("{}")
    assert predict.main([trained]) == 2
    Path(trained, "checkpoint.npz").unlink()
    assert predict.main([]) == 2

    first, second, third = capsys.readouterr().err.splitlines()
    assert "checkpoint.npz: no whole checkpoint" in first
    assert "config.json is damaged" in second
    assert "no run in runs/" in third


def test_weights_of_another_network_are_refused(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(trained, "config.json")
    path.write_text(path.read_text("utf-8").replace('"hidden_dim": 8', '"hidden_dim": 9'), "utf-8")

    assert predict.main([trained]) == 2
    assert "the settings ask for" in capsys.readouterr().err


def test_a_network_that_holds_nan_writes_nothing(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_module.Run(Path(trained), run_module.read_settings(Path(trained)))
    run.resume()
    run.params[-1][:] = float("nan")
    run.save()
    capsys.readouterr()

    assert predict.main([trained]) == 1
    assert "not finite" in capsys.readouterr().err
