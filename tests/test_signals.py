"""Ctrl-C, SIGTERM and SIGHUP: the exit code tells, in one line, wherever Python is when they come."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from d2lrnn import export, grade
from d2lrnn.cli import SIGNALS, exit_code, hear, interrupting
from d2lrnn.train import PROG, Stop

import pytest
from small_run import SMALL

from audits.torture.workers import state, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
# A call of C that does not come back, with the interpreter released: the thread waits for its own lock.
STUCK = """
import ctypes
print("stuck", flush=True)
mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
lock(mutex), lock(mutex)
"""
STOPS = """
from d2lrnn.train import Stop
with Stop(lambda number: print("heard", number, flush=True)):
"""


each_signal = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "SIGTERM", "SIGHUP"]
)


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen([sys.executable, *arguments], env=environment, text=True, **pipes, **options)


def says(process: subprocess.Popen[str], line: str) -> bool:
    assert process.stdout
    return process.stdout.readline() == f"{line}\n"


def gets_stuck(process: subprocess.Popen[str]) -> bool:
    """Wait until a process has said that it is about to, and sleeps: in no other place would it."""
    return says(process, "stuck") and until(lambda: state(process.pid) == "S")


def end(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code, and who says each line on stderr; what does not end is killed."""
    try:
        _, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
    return process.returncode, [line.split(": ")[0] for line in err.splitlines()]


# --- a command that has not begun ---


@each_signal
@pytest.mark.parametrize(
    ("loads", "command"),
    [
        *itertools.product(
            ["dataclasses"], ["train", "predict", "evaluate", "export", "runs", "grade", "assignment"]
        ),
        *itertools.product(
            ["mxnet"], ["train", "predict --temperature 1", "evaluate", "export", "grade x --out y"]
        ),
    ],
)
def test_a_command_that_is_being_loaded_ends_at_once(
    loads: str, command: str, number: int, tmp_path: Path
) -> None:
    (tmp_path / f"{loads}.py").write_text(STUCK)
    name, *arguments = command.split()
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    process = start("-m", f"d2lrnn.{name}", *arguments, cwd=tmp_path, env={"PYTHONPATH": path})
    assert gets_stuck(process)
    process.send_signal(number)

    assert end(process) == (128 + number, [f"python -m d2lrnn.{name}"])


@each_signal
def test_a_worker_that_waits_inside_mxnet_for_the_others_to_join_ends_at_once(
    number: int, tmp_path: Path
) -> None:
    hear_it, tell_it = os.pipe()
    environment = {
        "DMLC_ROLE": "worker", "DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "1",
        "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "9", "DMLC_NODE_HOST": "127.0.0.1",
        "D2LRNN_WORKER_INDEX": "1", "D2LRNN_AGENT": str(tell_it),
    }  # fmt: skip
    process = start(
        "-m", "d2lrnn.train", *SMALL, "--workers", "2", cwd=tmp_path, env=environment, pass_fds=[tell_it]
    )
    os.close(tell_it)
    with open(hear_it) as reports:
        assert any('"joining"' in line for line in reports)
        process.send_signal(number)

        assert end(process) == (128 + number, [PROG])


def test_what_the_shell_has_told_a_command_to_ignore_it_ignores() -> None:
    code = """
import signal
from d2lrnn.cli import begin
begin("x")
print(*(callable(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
"""

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    process = start("-c", code, preexec_fn=ignore)

    assert says(process, "False True False")
    assert end(process) == (0, [])


# --- a run ---


def test_the_first_signal_is_noted_and_the_second_ends_the_process_also_inside_a_call(tmp_path: Path) -> None:
    for first, second in ((signal.SIGINT, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        process = start("-c", STOPS + "    " + STUCK.strip().replace("\n", "\n    "))
        assert gets_stuck(process)
        process.send_signal(first)
        assert says(process, f"heard {first}")
        process.send_signal(second)

        assert end(process) == (128 + second, [PROG])


def test_a_second_signal_of_the_same_meaning_leaves_time_to_save() -> None:
    for first, second in ((signal.SIGHUP, signal.SIGHUP), (signal.SIGTERM, signal.SIGTERM),
                          (signal.SIGTERM, signal.SIGHUP), (signal.SIGINT, signal.SIGHUP)):  # fmt: skip
        process = start("-c", STOPS + "    " + STUCK.strip().replace("\n", "\n    "))
        assert gets_stuck(process)
        process.send_signal(first)
        assert says(process, f"heard {first}")
        process.send_signal(second)
        process.send_signal(signal.SIGINT)  # the second would have ended it, and this one does

        assert end(process) == (130, [PROG])


def test_a_second_signal_of_the_same_meaning_counts_in_the_end() -> None:
    code = STOPS.replace("with", "import d2lrnn.cli; d2lrnn.cli.ECHO = 0.2\nwith", 1)
    process = start("-c", code + "    " + STUCK.strip().replace("\n", "\n    "))
    assert gets_stuck(process)
    process.send_signal(signal.SIGHUP)
    assert says(process, "heard 1")
    process.send_signal(signal.SIGHUP)

    assert end(process) == (129, [PROG])


def test_under_nohup_also_a_run_ignores_sighup() -> None:
    code = STOPS + "    print(signal.getsignal(signal.SIGHUP).name, flush=True); input()"
    process = start(
        "-c", "import signal" + code, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert says(process, "SIG_IGN")
    process.send_signal(signal.SIGHUP)
    assert process.stdin
    print(file=process.stdin, flush=True)

    assert end(process) == (0, [])


def test_the_first_signal_decides_the_exit_code() -> None:
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)

    assert stop.signal == signal.SIGINT


def test_what_has_come_is_heard_before_the_end_and_not_in_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[int] = []
    is_waited_for, join = threading.Event(), threading.Thread.join

    def hear_late(number: int) -> None:
        is_waited_for.wait()
        heard.append(number)

    def join_and_say(thread: threading.Thread, *arguments: Any) -> None:
        is_waited_for.set()
        join(thread, *arguments)

    monkeypatch.setattr(threading.Thread, "join", join_and_say)
    with hear(beside=hear_late):
        os.kill(os.getpid(), signal.SIGTERM)

    assert heard == [signal.SIGTERM]


def test_after_a_run_signals_are_handled_as_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)

        assert stop.signal == signal.SIGTERM
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_beside_the_main_thread_nothing_is_changed() -> None:
    found = []

    def look() -> None:
        with hear(print, print):
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert found == [signal.getsignal(signal.SIGTERM)]


# --- what is open gets closed ---


def test_an_export_that_is_stopped_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = []

    def write(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            closed.append(True)

    monkeypatch.setattr("d2lrnn.formats.safetensors_file.load_network", lambda *_, **__: Mock())
    monkeypatch.setattr("d2lrnn.formats.safetensors_file.write_network", write)

    assert export.main([]) == 143
    assert closed == [True]
    assert re.fullmatch(f"{export.PROG}: .*\n", capsys.readouterr().err)


def test_a_grader_that_is_told_to_end_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("d2lrnn.grading.submissions.read_submissions", read)

    assert grade.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 143
    assert re.fullmatch(f"{grade.PROG}: .*same command.*\n", capsys.readouterr().err)


def test_an_interrupt_knows_its_exit_code() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, interrupting():
        os.kill(os.getpid(), signal.SIGTERM)

    assert exit_code(caught.value) == 143
    assert exit_code(KeyboardInterrupt()) == 130


def test_a_signal_that_does_not_end_a_wait_is_heard_all_the_same() -> None:
    code = """
import os, signal
from d2lrnn.cli import exit_code, interrupting
try:
    with interrupting():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # so that another thread takes it
        print("stuck", flush=True)
        os.read(0, 1)
except KeyboardInterrupt as interrupt:
    print(exit_code(interrupt), flush=True)
"""
    process = start("-c", code)
    assert gets_stuck(process)
    process.send_signal(signal.SIGTERM)

    assert says(process, "143")
    assert end(process) == (0, [])


def test_a_signal_is_heard_even_where_python_drops_what_is_raised() -> None:
    code = """
import os, signal
from d2lrnn.cli import exit_code, interrupting
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        while True: pass
try:
    with interrupting():
        Last()
        print("dropped", flush=True)
        os.read(0, 1)
except KeyboardInterrupt as interrupt:
    print(exit_code(interrupt), flush=True)
"""
    process = start("-c", code)

    assert says(process, "dropped")
    assert says(process, "143")
    assert end(process) == (0, [])


def test_a_process_forked_in_between_ends_at_once() -> None:
    code = """
import os, signal
from d2lrnn.cli import interrupting
with interrupting():
    child = os.fork()
    if not child:
        print("here", flush=True)  # Python forgets what comes before the fork is over
        while True: signal.pause()
    input()
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
    no_warning = "-W", "ignore::DeprecationWarning"  # Python 3.12 does not like that there are threads
    process = start(*no_warning, "-c", code)
    assert says(process, "here")
    assert process.stdin
    print(file=process.stdin, flush=True)

    assert says(process, "143")
    assert end(process) == (0, [])


# --- the end of Python ---


def test_a_signal_while_python_ends_changes_nothing_of_the_exit_code() -> None:
    code = """
import atexit, sys
from d2lrnn.cli import begin
@atexit.register
def ends():
    print("ending", flush=True)
    sys.stdin.read()
begin("x")
sys.exit(3)
"""
    process = start("-c", code)
    assert says(process, "ending")
    for number in SIGNALS:
        process.send_signal(number)

    assert end(process) == (3, [])
