"""The commands as their user meets them: what a run leaves, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from d2lrnn import learning_rate, predict, train
from d2lrnn.running import run as run_module
from d2lrnn.running.settings import PREFIXES, Settings

import mxnet as mx
import pytest
from small_run import SMALL, perplexities, run_small, weights

pytestmark = pytest.mark.slow

FILES = {".lock", "config.json", "metrics.jsonl", "curve.svg", "samples.txt", "checkpoints", "best"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    return


# --- what a run is ---


def test_a_run_leaves_settings_metrics_curve_samples_and_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--epochs", 4, "--out", "a") == 0

    assert {path.name for path in Path("a").iterdir()} == FILES
    config_json = json.loads(Path("a/config.json").read_text(encoding="utf-8"))
    assert (config_json["hidden_dim"], config_json["cell"], config_json["lr"]) == (
        8,
        "rnn",
        0.0035,  # less for so small a batch
    )  # of a sparse text
    first = json.loads(Path("a/metrics.jsonl").read_text().splitlines()[0])
    assert list(first) == ["epoch", "train_perplexity", "heldout_perplexity", "chars_per_second", "seconds"]
    assert Path("a/curve.svg").read_text().startswith("<?xml")
    samples = Path("a/samples.txt").read_text(encoding="utf-8")
    prefixes = config_json["prefix"]
    epochs = ["epoch 2", "epoch 4", "epoch 4, written by the best, of epoch 1"]
    assert [line for line in samples.splitlines() if line.startswith("---")] == [
        f"--- {epoch}: {prefix}" for epoch in epochs for prefix in prefixes
    ]
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


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("sampler", "num_steps"), [("random", 22), ("consecutive", 7)])
def test_each_step_has_the_learning_rate_of_its_schedule(workers: int, sampler: str, num_steps: int) -> None:
    settings = Settings(
        max_chars=600, hidden_dim=8, batch_size=4, num_steps=num_steps, epochs=20, sampler=sampler,
        workers=workers, lr=0.02, schedule="cosine", warmup=4, weight_decay=0.1,
    )  # fmt: skip
    run, rates, counts = run_module.Run(settings), [], []
    run.begin(Path("."))
    while run.progress.epoch < settings.epochs:
        before = len(rates)
        rates += [run.optimizer.lr for _ in run.train_epoch()]
        counts.append(len(rates) - before)
        run.end_epoch()

    how = {"schedule": "cosine", "warmup": 4, "num_updates": run.optimizer.t}
    assert rates == [learning_rate(t + 1, 0.02, **how) for t in range(run.optimizer.t)]
    assert len(set(counts)) == 2  # where it starts costs an epoch a batch, or does not
    assert run.optimizer.weight_decay == 0.1


def test_a_warm_up_that_is_never_over_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for warmup in (25, 27):  # steps: there are 26
        assert run_small("--epochs", 1, "--warmup", warmup) == 0
    assert run_small("--epochs", 1, "--warmup", warmup, "--workers", 2, "--in-turn") == 0
    without = [
        *SMALL[: SMALL.index("--warmup")],
        "--out",
        "a",
    ]  # more than an epoch's steps, and not asked for
    for more in (["--epochs", "1"], ["--epochs", "2", "--resume", "a"]):
        assert train.main([*without, *more]) == 0

    warning = "warning: --warmup 27: training ends before the learning rate reaches --lr\n"
    assert capsys.readouterr().err == 2 * warning


def test_of_the_default_warm_up_nothing_is_said_when_a_short_run_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*("--max-chars", "1500", "--hidden-dim", "8", "--batch-size", "16", "--num-steps", "10")]
    train.main([*arguments, "--prefix", "分", "--pred-len", "1", "--epochs", "1", "--out", "a"])
    train.main(["--resume", "a", "--epochs", "2"])
    assert json.loads(Path("a/config.json").read_text(encoding="utf-8"))["warmup"] > 16  # steps: fewer

    assert capsys.readouterr().err == ""


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


@pytest.mark.parametrize("name", ["lyrics", "timemachine"])
def test_a_file_that_is_called_like_a_corpus_is_meant_by_its_path_only(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("d2lrnn.corpora.names.OURS", Path("data/ours.txt"))
    Path("data").mkdir()
    for ours in ("data/ours.txt", "data/timemachine.txt"):
        Path(ours).write_text("our own little text " * 40)
    Path(name).write_text("the quick brown fox " * 40)

    assert train.main([*SMALL, "--corpus", name, "--epochs", "1", "--out", "a"]) == 0
    assert f"give ./{name}" in capsys.readouterr().err
    assert train.main([*SMALL, "--corpus", f"./{name}", "--epochs", "1", "--out", "b"]) == 0
    assert capsys.readouterr().err == ""

    configs = [json.loads(Path(run, "config.json").read_text("utf-8")) for run in ("a", "b")]
    assert [config["corpus"] for config in configs] == [[name], [str(Path(name).absolute())]]
    assert [config["prefix"] for config in configs] == [["our o"], ["the q"]]


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


# --- what is refused ---

WRONG = {  # what is given: what the answer names
    "--epochs 0": "--epochs 0",
    "--epochs x": "--epochs: invalid int value: 'x'",
    "--epochs": "--epochs",
    "--epoch 3": "--epoch 3",
    "--lr 0": "--lr 0.0",
    "--lr nan": "--lr nan",
    "--clip inf": "--clip inf",
    "--heldout 1": "--heldout 1.0",
    "--heldout 0.001": "--heldout 0.001",
    "--seed -1": "--seed -1",
    "--seed 4294967296": "--seed 4294967296",
    "--cell transformer": "'transformer'",
    "--corpus nowhere.txt": "'nowhere.txt' does not exist",
    "--corpus .": "'.' is a directory",
    "--prefix €": "'€' (U+20AC)",
    "--prefix=": "--prefix is empty",
    "--num-steps 5000": "4 x 5000: give at least 20001",
    "--hidden-dim 3000000": "--hidden-dim",
    "--out nowhere/\0": "embedded null",
    "--resume nowhere": "nowhere holds no run",
    "--dropout 1": "--dropout 1.0",
    "--autosave x": "--autosave: invalid float value: 'x'",
    "--autosave inf": "--autosave inf",
    "--servers 0": "--servers 0: give a number of at least 1",
    "--max-restarts -1": "--max-restarts -1",
    '--ssh "': '--ssh "',
    "--layers 3000000000": "--layers 3000000000",
    "--layers 2000000000": "--layers",
    "--resume": "runs/",
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
    assert "--ctx gpu" in capsys.readouterr().err


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
    design = {
        "corpus": ("lyrics",),
        "cell": "rnn",
        "sampler": "random",
        "optimizer": "adam",
        "batch_size": 32,
    }
    design |= {"num_steps": 35, "hidden_dim": 256, "heldout": 0.1}

    assert design.items() <= dataclasses.asdict(Settings()).items()
    assert PREFIXES == ("分开", "不分开", "战争中部队")


# --- python -m d2lrnn.predict ---


@pytest.fixture
def trained() -> str:
    run_small("--epochs", 2, "--out", "runs/a", "--prefix", "战争", "--prefix", "我")
    return "runs/a"


def test_predict_without_arguments_continues_the_prefixes_of_the_newest_run(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prefixes = json.loads(Path(trained, "config.json").read_text("utf-8"))["prefix"]
    capsys.readouterr()

    assert predict.main([]) == 0

    written = capsys.readouterr().out.splitlines()
    headings, lines = written[::2], written[1::2]
    assert [line.split(": ")[1] for line in headings] == prefixes
    assert [line[: len(p)] for line, p in zip(lines, prefixes)] == prefixes
    assert [len(line) for line in lines] == [len(p) + 100 for p in prefixes]


def test_predict_writes_what_the_run_wrote(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    samples = Path(trained, "samples.txt").read_text("utf-8")
    capsys.readouterr()

    predict.main([trained, "--length", "6", "--temperature", "0", "--last"])

    written = capsys.readouterr().out
    assert re.sub(r"(?m)^--- \d+:", "--- epoch 2:", written) == samples.partition("--- epoch 2, ")[0]


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
        ("nowhere", "nowhere is not a run directory"),
        ("runs/a --prefix €", "'€' (U+20AC)"),
        ("runs/a --prefix=", "the prefix is empty"),
        ("runs/a --length -1", "-1"),
        ("runs/a --length x", "--length: invalid int value: 'x'"),
        ("runs/a --temperature -1", "temperature is -1.0"),
        ("runs/a --temperature nan", "temperature is nan"),
        ("runs/a --top-k 0", "top_k is 0"),
        ("runs/a --top-p 2", "top_p is 2.0"),
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
    for facts in Path(trained, "checkpoints").glob("*/facts.json"):
        facts.write_text("{}")
    assert predict.main([trained, "--last"]) == 2
    assert "facts.json is not what was written" in capsys.readouterr().err
    shutil.rmtree(Path(trained, "checkpoints"))

    assert predict.main([]) == 2
    assert "no run in runs/" in capsys.readouterr().err


def test_a_network_that_holds_nan_writes_nothing(
    trained: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = run_module.Run.save

    def save_nan(run: run_module.Run) -> None:
        run.params[-1][:] = float("nan")
        save(run)

    monkeypatch.setattr(run_module.Run, "save", save_nan)
    train.main(["--resume", trained, "--epochs", "3"])
    capsys.readouterr()

    assert predict.main([trained, "--last"]) == 1
    assert "not finite" in capsys.readouterr().err
