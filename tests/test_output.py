"""Output is not training: no print ends a run, whatever a terminal cannot show and however stdout is lost."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import io
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from d2lrnn import __file__ as package
from d2lrnn.__main__ import COMMANDS
from d2lrnn.checkpoint import load_newest
from d2lrnn.cli import Stream, outlive_stdout, show
from d2lrnn.running.writing import listed

import pytest
from small_run import SMALL
from test_predict import write

from audits.torture.workers import until

pytestmark = pytest.mark.usefixtures("empty_folder")

ROOT = Path(package).parent.parent
ENDLESS = ("--epochs", "1000000", "--pred-period", "1000000", "--autosave", "3600")
WORKERS = [(), ("--workers", "2")]
TEXT = "eins zwei é 分开 😀 \u200f\u2028\x0c\x1b "
ENCODINGS = ("ascii", "ascii:strict", "latin-1", "cp1252", "gbk", "utf-16")


# --- what a stream cannot show ---


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "gbk", "shift_jis", "utf-8"])
def test_what_an_encoding_lacks_is_escaped_and_all_else_is_written_as_it_is(encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding, newline="")
    show(TEXT + "\udcff", file)

    written = file.buffer.getvalue()  # type: ignore[attr-defined]
    assert written == f"{TEXT}\udcff\n".encode(encoding, "backslashreplace")


def test_only_a_terminal_is_spared_what_would_steer_it() -> None:
    terminal = Terminal()
    show("\x1b[2J 分 \u200f\u2028\x0c\ta\nb", terminal)

    assert terminal.getvalue() == "\\x1b[2J 分 \\u200f\\u2028\\x0c\ta\nb\n"


@pytest.mark.parametrize(
    ("command", "encoding"),
    [*((c, "ascii") for c in [*COMMANDS, ""]), *(("train", e) for e in ENCODINGS[1:])],
)
def test_help_is_shown_in_every_encoding(command: str, encoding: str) -> None:
    module = [f"d2lrnn.{command}" if command else "d2lrnn", "--help"]
    told = {
        name: subprocess.run(
            [sys.executable, "-m", *module], env=environment(PYTHONIOENCODING=name), capture_output=True
        )
        for name in ("utf-8", encoding)
    }

    codec = encoding.partition(":")[0]
    assert [(one.returncode, one.stderr) for one in told.values()] == [(0, b"")] * 2
    assert told[encoding].stdout.decode(codec) == escaped(told["utf-8"].stdout.decode(), codec)


def escaped(text: str, codec: str) -> str:
    return text.encode(codec, "backslashreplace").decode(codec)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_run_says_in_every_encoding_what_it_can_and_escapes_the_rest(encoding: str) -> None:
    Path("my.txt").write_text(TEXT * 40, "utf-8")
    codec = encoding.partition(":")[0]
    told = subprocess.run(
        [*train("--corpus", "my.txt", "--epochs", "2"), "--prefix", "分开 😀 \u200f\u2028"],
        env=environment(PYTHONIOENCODING=encoding), capture_output=True,
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (0, b"")
    samples = Path("run/samples.txt").read_text("utf-8")
    assert "分开 😀 \u200f\u2028" in samples
    text = samples.split("--- epoch 2: ")[1].partition("\n")[2].split("\n---")[0].rstrip("\n")
    assert escaped(listed(text), codec) in told.stdout.decode(codec)


@pytest.mark.slow
@pytest.mark.parametrize("together", WORKERS, ids=["one worker", "two"])
def test_a_log_holds_the_samples_themselves(together: Sequence[str]) -> None:
    Path("my.txt").write_text(TEXT * 40, "utf-8")
    prefix = "分开 😀 \u200f\u2028\x0c\x1b"
    with open("log", "wb") as log:
        command = train("--corpus", "my.txt", "--epochs", "2", *together, "--prefix", prefix)
        assert subprocess.run(command, env=environment(), stdout=log).returncode == 0

    assert prefix in Path("log").read_bytes().decode()


@pytest.mark.slow
@pytest.mark.parametrize("together", WORKERS, ids=["one worker", "two"])
def test_a_terminal_of_ascii_gets_ascii_also_of_the_bar(together: Sequence[str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\30\0\170\0\0\0\0\0")  # 24 lines of 120
    drawn = Reader(ours)
    told = subprocess.run(
        train("--epochs", "3", *together), env=environment(PYTHONIOENCODING="ascii"),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)

    assert told.returncode == 0
    text = drawn.all().decode("ascii")
    assert "perplexity" in text and "%|" in text and "\\u6218" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_file_gets_the_text_itself_and_a_terminal_escapes() -> None:
    prefix = "a\u200f\u2028\x0c分"
    write(Path("n.safetensors"), chars=" ab\x0c\u200f\u2028分")
    command = [sys.executable, "-m", "d2lrnn.predict", "n.safetensors", "--prefix", prefix, "--length", "1"]
    with open("log", "wb") as log:
        assert subprocess.run(command, env=environment(), stdout=log).returncode == 0
    ours, theirs = pty.openpty()
    seen = Reader(ours)
    assert subprocess.run(command, env=environment(), stdout=theirs).returncode == 0
    os.close(theirs)

    assert Path("log").read_bytes().decode().startswith(prefix)
    assert seen.all().decode().startswith("a\\u200f\\u2028\\x0c分")


@pytest.mark.slow
def test_a_name_that_is_no_utf8_is_kept() -> None:
    corpus = Path(os.fsdecode(b"\xff.txt"))
    corpus.write_text("the quick brown fox " * 40)
    for arguments in (["--corpus", str(corpus), "--epochs", "1"], ["--resume", "--epochs", "2"]):
        told = subprocess.run(train(*arguments), env=environment(), capture_output=True)
        assert (told.returncode, told.stderr) == (0, b"")

    assert json.loads(Path("run/config.json").read_text("utf-8"))["corpus"] == [str(corpus.absolute())]


# --- stdout is lost ---


class Reader:
    """Reads all that comes from the end of a pseudo-terminal."""

    def __init__(self, end: int) -> None:
        self._end, self._read = end, bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while block := os.read(self._end, 4096):
                self._read += block

    def all(self) -> bytes:
        self._thread.join(60)
        os.close(self._end)
        return bytes(self._read)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def train(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "d2lrnn.train", *SMALL, "--out", "run", *arguments]


@contextlib.contextmanager
def no_reader() -> Iterator[int]:
    read_end, write_end = os.pipe()
    os.close(read_end)
    yield write_end
    os.close(write_end)


@contextlib.contextmanager
def no_room() -> Iterator[int]:
    with open("/dev/full", "wb") as full:
        yield full.fileno()


@contextlib.contextmanager
def no_terminal() -> Iterator[int]:
    ours, theirs = pty.openpty()
    os.close(ours)
    yield theirs
    os.close(theirs)


def close(*numbers: int) -> Callable[[], None]:
    return lambda: [os.close(number) for number in numbers] and None


LOST = {  # how stdout is lost: exit code of what only prints, its lines on stderr
    "no reader": (no_reader, None, 141, 0),
    "no room": (no_room, None, 2, 1),
    "no terminal": (no_terminal, None, 2, 1),
    "closed": (contextlib.nullcontext, close(1), 0, 0),
    "all closed": (contextlib.nullcontext, close(0, 1, 2), 0, 0),
}


def run_without_stdout(how: str, command: Sequence[str]) -> tuple[int, list[str]]:
    """Exit code, and the lines on stderr."""
    open_stdout, preexec, *_ = LOST[how]
    with open_stdout() as stdout:
        told = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, preexec_fn=preexec,
            env=environment(), text=True, timeout=300,
        )  # fmt: skip
    code = 141 if told.returncode == -signal.SIGPIPE else told.returncode  # as a shell tells it
    return code, told.stderr.splitlines()


@pytest.mark.parametrize(
    ("command", "how"), [*((c, "no reader") for c in [*COMMANDS, ""]), *(("train", how) for how in LOST)]
)
def test_help_that_nobody_reads_ends_silently_and_what_has_no_room_says_so(command: str, how: str) -> None:
    module = f"d2lrnn.{command}" if command else "d2lrnn"
    code, said = run_without_stdout(how, [sys.executable, "-m", module, "--help"])

    assert (code, len(said)) == LOST[how][2:], said
    assert all("stdout: " in line for line in said)


WORK = {
    "predict": ["n.safetensors", "--seed", "0"],
    "export": ["n.safetensors", "--out", "copy.safetensors"],
    "assignment": ["new", "mine", "--lesson", "onehot"],
    "grade": ["--write-points", "points.toml"],
}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["no reader", "no room", "all closed"])
@pytest.mark.parametrize("command", WORK)
def test_a_command_without_stdout_ends_as_its_help_does(command: str, how: str) -> None:
    write(Path("n.safetensors"))
    code, said = run_without_stdout(how, [sys.executable, "-m", f"d2lrnn.{command}", *WORK[command]])
    said = [line for line in said if "writes from" not in line]

    assert (code, len(said)) == LOST[how][2:], said
    kept = {"predict": "n.safetensors", "export": "copy.safetensors", "assignment": "mine/submission.py"}
    assert Path(kept.get(command, "points.toml")).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "together"), [*((how, ()) for how in LOST), ("no reader", WORKERS[1]), ("closed", WORKERS[1])]
)
def test_a_run_without_stdout_says_so_once_and_trains_to_its_end(how: str, together: Sequence[str]) -> None:
    code, said = run_without_stdout(how, train("--epochs", "3", *together))

    assert code == 0, said
    assert [line.split(": ")[:2] for line in said] == [["python -m d2lrnn.train", "stdout"]] * (
        how != "all closed"
    )
    assert done() == 3
    assert Path("run/samples.txt").read_text("utf-8").startswith("--- epoch 2: ")


@pytest.mark.slow
def test_a_run_goes_on_when_its_log_has_grown_as_far_as_it_may() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    size = 200_000
    Path("log").write_bytes(b"x" * size)
    with open("log", "ab") as log:
        told = subprocess.run(
            train("--epochs", "3"), env=environment(), stdout=log, stderr=subprocess.PIPE, preexec_fn=limit
        )

    assert (told.returncode, told.stderr.count(b"\n")) == (0, 1)
    assert b"stdout: File too large" in told.stderr
    assert done() == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", [no_room, no_terminal, contextlib.nullcontext])
def test_a_run_needs_no_stderr(how: Callable[[], contextlib.AbstractContextManager[Any]]) -> None:
    preexec = close(2) if how is contextlib.nullcontext else None
    with how() as stderr:
        told = subprocess.run(
            train("--epochs", "3"), env=environment(), stdout=subprocess.PIPE, stderr=stderr,
            preexec_fn=preexec,
        )  # fmt: skip

    assert (told.returncode, done()) == (0, 3)
    assert told.stdout.startswith(b"lyrics: ")
    assert b"run/ holds the weights" in told.stdout


def done() -> int:
    """Epochs that the newest checkpoint has had."""
    return load_newest(Path("run/checkpoints"))[2]["progress"]["epoch"]


def logged() -> int:
    metrics = Path("run/metrics.jsonl")
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def test_a_lost_stream_is_told_once_and_then_left_alone() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    errors: list[Exception] = []
    stream = Stream(Full(), errors.append)
    for text in ("a", "b"):
        print(text, file=stream, flush=True)

    assert [str(error) for error in errors] == ["[Errno 28] No space left on device"]
    assert stream.stream.getvalue() == "a"


def test_within_a_python_program_streams_are_as_before_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with outlive_stdout("x"):
        print("分")

    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "分\n"


# --- signals, as shells and terminals send them ---


@pytest.mark.slow
@pytest.mark.parametrize("together", WORKERS, ids=["one worker", "two"])
def test_ctrl_c_that_ends_tee_as_well_saves_and_says_how_to_go_on(together: Sequence[str]) -> None:
    line = " ".join(train(*ENDLESS, *together))
    shell = subprocess.Popen(
        ["bash", "-c", f"{line} | tee log; echo ${{PIPESTATUS[0]}} > code"],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert until(lambda: logged() > 2)
    os.killpg(shell.pid, signal.SIGINT)
    _, said = shell.communicate(timeout=120)

    assert Path("code").read_text() == "130\n"
    assert done() == logged()
    assert "Traceback" not in said
    assert (
        said.splitlines()[-1].endswith("-m d2lrnn.train --resume run") or "stopped" in Path("log").read_text()
    )


@contextlib.contextmanager
def in_terminal(
    *arguments: str, ignores: Sequence[int] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run that is the leader of a session at a terminal, and the terminal. What is left of it is killed."""
    ours, theirs = pty.openpty()

    def begin() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in ignores:
            signal.signal(number, signal.SIG_IGN)

    with open("err", "wb") as err:
        process = subprocess.Popen(
            train(*arguments), stdin=theirs, stdout=theirs, stderr=err, start_new_session=True,
            preexec_fn=begin, env=environment(),
        )  # fmt: skip
    os.close(theirs)
    with process:
        try:
            yield process, ours
        finally:
            process.kill()  # its workers end with it


@pytest.mark.slow
@pytest.mark.parametrize("together", WORKERS, ids=["one worker", "two"])
def test_a_terminal_that_is_closed_stops_the_run_which_saves(together: Sequence[str]) -> None:
    with in_terminal(*ENDLESS, *together) as (process, terminal):
        assert until(lambda: logged() > 2)
        os.close(terminal)

        assert process.wait(120) == 129
    assert done() == logged()
    assert "Traceback" not in Path("err").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("together", WORKERS, ids=["one worker", "two"])
def test_under_nohup_a_run_outlives_its_terminal(together: Sequence[str]) -> None:
    with in_terminal(*ENDLESS, *together, ignores=[signal.SIGHUP]) as (process, terminal):
        assert until(lambda: logged() > 2)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        reached = logged()
        assert until(lambda: logged() > reached + 5)
        process.send_signal(signal.SIGTERM)

        assert process.wait(120) == 143
    assert done() == logged() > reached + 5
    assert "Traceback" not in Path("err").read_text()


# --- one way for all ---


def calls(module: Path) -> set[str]:
    """The names that a module calls or imports."""
    nodes = list(ast.walk(ast.parse(module.read_text("utf-8"))))
    called = {
        node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return called | {name for name in imported if name}


def test_what_is_printed_goes_through_one_module() -> None:
    own_ways = {"cli.py", "training.py", "worker.py"}  # the tutorial's loop, and what only the grader reads
    modules = [
        path
        for path in Path(package).parent.rglob("[!0-9]*.py")
        if path.name not in own_ways and "mistakes" not in path.parts
    ]

    assert len(modules) > 50
    assert [path.name for path in modules if calls(path) & {"print", "tqdm"}] == []
