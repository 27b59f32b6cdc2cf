"""The command that is printed as the next step can be pasted into a shell as it stands."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from d2lrnn import assignment, export, predict, train
from d2lrnn.cli import command_line, escape, unescape
from d2lrnn.running.settings import Settings, flags, given

import pytest
from small_run import SMALL, run_small
from test_resume import StopAfter

pytestmark = pytest.mark.usefixtures("empty_folder")

STRANGE = ["my run", "it's", 'say "hi"', "$HOME `ls` \\", "第 1 次", "-x", "~", "*", "a;b"]
AWKWARD = "it's my 歌 $run"
SMALLER = r"(?s).*--lr .*1e\+30 .*1e\+29 .*"  # the warning; a learning rate so large explodes again


def paste(line: str, complaint: str = "") -> str:
    """What a line prints when it is run by a shell in the current folder."""
    shell = subprocess.run(["sh", "-c", line], capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert re.fullmatch(complaint, shell.stderr), f"{line}: {shell.stderr}"
    assert shell.returncode == (1 if complaint == SMALLER else 0)
    return shell.stdout


def command_in(text: str) -> str:
    """The command with which the last line that has one ends; who speaks is followed by a colon."""
    return re.findall(r"(?m)(?:'[^']+'|[^\s']+) -m [\w.]+(?: .*)?$", text)[-1]


def test_whatever_an_argument_contains_arrives_as_it_is() -> None:
    Path("arguments.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))")

    assert json.loads(paste(command_line("arguments", *STRANGE))) == STRANGE


def test_a_path_is_never_taken_for_a_flag() -> None:
    assert command_line("d2lrnn.predict", Path("-x")).endswith(" -m d2lrnn.predict ./-x")


def test_the_python_is_the_running_one_named_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    (tmp_path / ".venv/bin").mkdir(parents=True)

    assert command_line("d2lrnn.train") == ".venv/bin/python -m d2lrnn.train"
    for elsewhere in (tmp_path.parent, tmp_path / ".venv/bin", Path("/")):
        monkeypatch.chdir(elsewhere)
        python = Path(command_line("d2lrnn.train").removesuffix(" -m d2lrnn.train"))
        assert len(python.parts) > 1, "a name alone is looked up on the PATH"
        assert python.absolute() == tmp_path / ".venv/bin/python"


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (r"\n\t", "\n\t"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\r\x41\'\u0041", r"\r\x41\'\u0041"),
        ("\\", "\\"),
        ("QUEEN:\n", "QUEEN:\n"),
    ],
)
def test_in_arguments_only_three_escapes_are_known(argument: str, text: str) -> None:
    assert unescape(argument) == text
    assert unescape(escape(text)) == text and "\n" not in escape(text)


def test_a_worker_is_told_the_prefixes_that_train_was_given() -> None:
    prefixes = ["QUEEN:\n", r"a\nb", "\\", "\t-x", "分开"]
    arguments = train._parser().parse_args([f"--prefix={escape(prefix)}" for prefix in prefixes])
    settings = Settings(**given(arguments, Settings))

    told = train._parser().parse_args(flags(settings))

    assert settings.prefix == Settings(**given(told, Settings)).prefix == tuple(prefixes)


@pytest.mark.slow
def test_the_line_that_train_ends_with_lets_the_network_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--epochs", 1, "--out", AWKWARD, "--prefix", "我") == 0

    text = paste(
        command_in(capsys.readouterr().out), re.escape(predict.PROG) + ": writes from .*\n.*--seed .*\n"
    )
    assert len(text) == len("我") + 100 + len("\n")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("--workers", 2, "--in-turn")], ids=["one worker", "two in turn"])
def test_the_line_after_a_stop_goes_on_with_the_run(
    workers: tuple, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train, "time", StopAfter(3, signal.SIGINT))
        assert run_small("--epochs", 2, "--out", AWKWARD, *workers) == 130

    line = command_in(capsys.readouterr().out)
    assert line.endswith(" --in-turn") == ("--in-turn" in workers)
    assert "epoch   2  perplexity" in paste(line)


@pytest.mark.slow
def test_the_line_after_a_job_has_ended_names_its_hosts() -> None:
    Path("my hosts").write_text("127.0.0.1 2")
    job = ["--hosts", "my hosts", "--workers", "2", "--epochs", "2", "--optimizer", "sgd", "--lr", "1e30"]
    ended = subprocess.run(
        [sys.executable, "-m", "d2lrnn.train", *SMALL, *job, "--out", AWKWARD], capture_output=True, text=True
    )

    line = command_in(ended.stderr)
    assert "'--hosts=my hosts'" in line
    paste(line, SMALLER)


@pytest.mark.slow
def test_the_line_after_an_explosion_goes_on_with_a_smaller_lr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--epochs", 2, "--out", AWKWARD, "--lr", 1e30, "--optimizer", "sgd") == 1

    paste(command_in(capsys.readouterr().err), SMALLER)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "arguments", "module"),
    [
        (predict.main, [], "d2lrnn.train"),
        (export.main, [], "d2lrnn.train"),
        (train.main, ["--resume", AWKWARD], "d2lrnn.train"),
        (export.main, ["--onnx"], "pip"),
    ],
    ids=["predict", "export", "resume", "onnx"],
)
def test_an_error_names_the_command_that_would_do(
    command: Callable[[list[str]], int], arguments: list[str], module: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "d2lrnn.formats.onnx_file", raising=False)

    assert command(arguments) == 2

    line = command_in(capsys.readouterr().err)
    assert line.split(" -m ")[1].split()[0] == module
    assert "usage:" in paste(f"{line} --help").lower()


@pytest.mark.slow
def test_the_line_that_a_new_assignment_ends_with_checks_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert assignment.main(["new", AWKWARD, "--lesson", "onehot"]) == 0

    line = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(line)[-2:] == ["check", AWKWARD]
    assert "not written yet" in paste(line)
