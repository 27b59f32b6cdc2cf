"""A job of several processes: it ends as a whole, says why in a line, goes on, and leaves nothing behind.

Workers are small scripts here, and what plays scheduler and servers only listens: no mxnet.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from d2lrnn.launching import supervisor
from d2lrnn.launching.console import Console
from d2lrnn.launching.job import Host, Job, read_hosts
from d2lrnn.launching.watchdog import STALLED

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SILENCE = 2  # seconds, in tests of what is silent; else 10, as outside of tests

LAUNCHER = """
import json, sys
from d2lrnn.launching import supervisor
from d2lrnn.launching.console import Console
from d2lrnn.launching.launch import Host, Job, launch
supervisor.SILENCE, supervisor.GRACE, supervisor.WORDS = map(float, sys.argv[2:])
hear = supervisor.Supervisor.hear
def hear_and_write_down(self, process, kind, value):
    hear(self, process, kind, value)
    if kind in ("out", "err", "report", "ended"):
        with open("heard", "a", encoding="utf-8") as heard: print(process.name, kind, value, file=heard)
supervisor.Supervisor.hear = hear_and_write_down
job = json.loads(sys.argv[1])
job["hosts"] = [Host(*host) for host in job["hosts"]]
sys.exit(launch(Job(**job)))
"""
SERVER = """
import os, signal, socket
if os.environ["DMLC_ROLE"] == "scheduler":
    listening = socket.create_server((os.environ["DMLC_PS_ROOT_URI"], int(os.environ["DMLC_PS_ROOT_PORT"])))
signal.pause()
"""
WORKER = """
import os, signal, subprocess, sys, time
from pathlib import Path
from d2lrnn.launching.watchdog import Watchdog, report
me = int(os.environ["D2LRNN_WORKER_INDEX"])
def first_start(): # of this worker
    try: Path(f"started-{me}").touch(exist_ok=False)
    except FileExistsError: return False
    return True
def wait_for(name, text=""):
    while not (Path(name).exists() and text in Path(name).read_text("utf-8")): time.sleep(0.05)
watchdog = Watchdog(float(os.environ["D2LRNN_TEST_PATIENCE"]), f"worker {me}")
def meet(): # so that the patience of both begins at the same time
    Path(f"here-{me}").touch()
    while not (Path("here-0").exists() and Path("here-1").exists()):
        watchdog.note("starting")
        time.sleep(0.05)
"""


class Launched:
    """A launcher on its way. It and all that it starts have a mark in their environment."""

    def __init__(self, folder: Path, worker: str, **options: Any) -> None:
        self.mark = f"D2LRNN_TEST_MARK={uuid.uuid4().hex}"
        self.folder = folder
        defaults = {"silence": supervisor.SILENCE, "grace": supervisor.GRACE, "words": supervisor.WORDS}
        pauses = [str(options.pop(name, default)) for name, default in defaults.items()]
        streams = {name: options.pop(name) for name in ("stdout", "stderr") if name in options}
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MXNET_"))}
        environment = {**ours, **options.pop("env", {}), "PYTHONPATH": str(ROOT)}
        environment.update([self.mark.split("=")])
        (folder / "worker.py").write_text(WORKER + worker, encoding="utf-8")
        job = {
            "worker": [sys.executable, "worker.py"],
            "hosts": [["127.0.0.1", 2]],
            "server": [sys.executable, "-S", "-c", SERVER],
            "num_servers": 1,
            "patience": 30,
            "max_restarts": 0,
            **options,
        }
        environment["D2LRNN_TEST_PATIENCE"] = str(job["patience"])
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, json.dumps(job), *pauses],
            cwd=folder,
            env=environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams},
        )

    def end(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the launcher."""
        out, err = self.process.communicate(timeout=500)
        return self.process.returncode, out, err

    def hears(self, phase: str, num_workers: int = 2) -> None:
        """Return when the launcher has heard of all workers that they are in a phase."""
        words = [f'worker {k} report {{"phase": "{phase}"' for k in range(num_workers)]
        heard = self.folder / "heard"
        eventually(lambda: heard.exists() and all(word in heard.read_text("utf-8") for word in words))

    def pids(self, *words: str) -> list[int]:
        """The processes of this job, without the launcher, whose command has all words.

        One that was killed but has not yet had the time to end, on a busy machine, is not counted.
        """
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                has_mark = self.mark.encode() in (folder / "environ").read_bytes().split(b"\0")
                if has_mark and not is_killed(folder):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if all(word in command for word in words) and int(folder.name) != self.process.pid:
                        found.append(int(folder.name))
        return sorted(found)

    def agent_of(self, worker: int) -> int:
        """The process id of its agent."""
        mine = f"D2LRNN_WORKER_INDEX={worker}".encode()
        pid = next(p for p in self.pids("worker.py") if mine in Path(f"/proc/{p}/environ").read_bytes())
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_killed(process: Path) -> bool:
    """Whether SIGKILL is on its way to a process. process: its folder in /proc."""
    masks = re.findall(r"(?:SigPnd|ShdPnd):\s*(\w+)", (process / "status").read_text())
    return any(int(mask, 16) >> (signal.SIGKILL - 1) & 1 for mask in masks)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Starts a job; afterwards nothing of it may be left."""
    jobs = []

    def start(worker: str, **options: Any) -> Launched:
        jobs.append(Launched(options.pop("folder", tmp_path), worker, **options))
        return jobs[-1]

    yield start
    for job in jobs:
        left = [] if job.process.poll() is None else job.pids()
        job.process.kill()
        job.process.communicate()
        eventually(lambda job=job: not job.pids())
        assert left == []


def eventually(is_true: Callable[[], object], seconds: float = 60) -> None:
    for _ in range(round(seconds / 0.05)):  # counted: a busy machine stands still at times
        if is_true():
            return
        time.sleep(0.05)
    raise AssertionError("it never was")


# --- a job that goes well ---


def test_a_job_ends_when_its_workers_have_and_shows_what_the_first_prints(launched: Any) -> None:
    code, out, err = launched("print(f'分开 {me} \\x1b[2J'); sys.stderr.write('')").end()

    assert (code, out, err) == (0, "分开 0 \x1b[2J\n", "")


def test_processes_are_told_who_they_are_and_nothing_of_other_jobs(launched: Any, tmp_path: Path) -> None:
    tell = """
import json, os, signal
from pathlib import Path
names = ("DMLC_", "PS_", "OMP_", "MXNET_", "D2LRNN_WORKER")
mine = {name: value for name, value in os.environ.items() if name.startswith(names)}
name = os.environ["DMLC_ROLE"] + os.environ.get("D2LRNN_WORKER_INDEX", "")
Path(f"{name}.json").write_text(json.dumps(mine))
"""
    env = {"DMLC_INTERFACE": "eth9", "PS_RESEND": "1", "MXNET_CPU_TEMP_COPY": "64", "DMLC_ROLE": "scheduler"}
    server = [sys.executable, "-c", tell + "signal.pause()"]
    worker = tell + "while not Path('server.json').exists(): time.sleep(0.05)"

    assert launched(worker, env=env, server=server).end()[0] == 0

    told = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert told.keys() >= {"worker0", "worker1", "server"}
    cores = min(len(os.sched_getaffinity(0)), 8)
    port = told["worker0"].pop("DMLC_PS_ROOT_PORT")
    assert told["worker0"] == {
        "DMLC_ROLE": "worker",
        "DMLC_NODE_HOST": "127.0.0.1",
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_NUM_WORKER": "2",
        "DMLC_NUM_SERVER": "1",
        "D2LRNN_WORKER_INDEX": "0",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "MXNET_CPU_WORKER_NTHREADS": str(max(1, cores // 2)),
        "MXNET_CPU_TEMP_COPY": "64",
    }
    assert told["worker1"]["D2LRNN_WORKER_INDEX"] == "1"
    assert told["server"]["MXNET_CPU_WORKER_NTHREADS"] == "1"
    assert told["server"]["DMLC_PS_ROOT_PORT"] == port


def test_threads_that_the_user_has_set_are_shared_by_the_workers_of_a_host(
    launched: Any, tmp_path: Path
) -> None:
    env = {"MXNET_CPU_WORKER_NTHREADS": "5", "OMP_NUM_THREADS": "1"}

    launched(
        "Path('threads').write_text(os.environ['MXNET_CPU_WORKER_NTHREADS'])",
        env=env,
        hosts=[["127.0.0.1", 2]],
    ).end()

    assert (tmp_path / "threads").read_text() == "2"


@pytest.mark.parametrize(
    ("omp", "side_by_side"),
    [("1", "5"), (" 1 ", "5"), ("1,1", "5"), ("2", "1"), ("2,1", "1"), ("11", "1")],
)
def test_operations_run_side_by_side_only_where_none_has_threads_of_its_own(
    omp: str, side_by_side: str
) -> None:
    code = "import os, d2lrnn; print(os.environ['MXNET_CPU_WORKER_NTHREADS'])"
    threads = {"OMP_NUM_THREADS": omp, "MXNET_CPU_WORKER_NTHREADS": "5"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **threads}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)

    assert done.stdout == f"{side_by_side}\n"


def test_the_bar_is_drawn_from_what_the_first_worker_reports(launched: Any, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    job = launched(
        "report(bar={'n': 1500, 'total': 3000, 'text': f'epoch 1 {me}'}); wait_for('seen-1.50k')\n"
        "time.sleep(0.2)  # tqdm draws ten times a second\n"
        "report(bar={'n': 2000, 'total': 3000, 'text': f'epoch 2 {me}\\x1b'}); wait_for('seen-2.00k')\n"
        "report(bar='x'); report(nothing=1); report(phase=[1], step={})",
        stderr=theirs,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    drawn = ""

    def shows(text: str) -> bool:
        nonlocal drawn
        with contextlib.suppress(OSError):  # nothing new
            drawn += os.read(ours, 2**16).decode()
        return text in drawn

    for n in ("1.50k", "2.00k"):
        eventually(lambda n=n: shows(f"{n}/3.00k"))
        (tmp_path / f"seen-{n}").touch()
    code, _, _ = job.end()
    shows("")
    os.close(ours)

    assert code == 0
    assert "epoch 2 0\\x1b" in drawn
    assert "epoch 2 1" not in drawn
    assert "Traceback" not in drawn


def test_what_is_reported_while_the_bar_is_drawn_is_drawn_next(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    may_draw, has_drawn = threading.Event(), threading.Event()

    class Bar:
        total = n = 0
        update = close = __init__ = lambda *_, **__: None

        def set_postfix_str(self, text: str, **_: object) -> None:
            drawn.append(text)
            has_drawn.set()

    class Late(dict):
        def __getitem__(self, name: str) -> Any:
            may_draw.set()
            has_drawn.wait(60)
            return super().__getitem__(name)

    monkeypatch.setattr("d2lrnn.launching.console.progress_bar", Bar)
    monkeypatch.setattr("d2lrnn.launching.console.say", lambda text: may_draw.wait(60))
    console = Console()
    console.say("a line that the terminal does not take yet")
    console.show({"n": 1, "total": 2, "text": "first"})
    console.show(Late(n=2, total=2, text="second"))
    console.close()

    assert drawn == ["first", "second"]


@pytest.mark.slow
def test_a_terminal_that_takes_nothing_does_not_end_the_job(launched: Any, tmp_path: Path) -> None:
    job = launched(
        "watchdog.note('computing', 0)\n"
        "print(('x' * 999 + chr(10)) * 300) if me == 0 else None\n"
        f"for step in range({SILENCE + 1} * 4): watchdog.note('computing', step); time.sleep(0.25)\n"
        "Path(f'computed-{me}').touch()",
        silence=SILENCE,
    )
    eventually(lambda: len(list(tmp_path.glob("computed-*"))) == 2)  # the pipe holds 64 KB

    code, out, err = job.end()

    assert (code, err, out.count("x")) == (0, "", 999 * 300)


PATIENCE = 5


@pytest.mark.slow
def test_a_machine_that_stands_still_for_a_while_does_not_end_the_job(launched: Any, tmp_path: Path) -> None:
    job = launched(
        "step = 0\n"
        "while not Path('still').exists(): step += 1; watchdog.note('computing', step); time.sleep(0.1)\n"
        "Path(f'seen-{me}').touch()\n"
        "wait_for('awake')\n"
        "for _ in range(5): time.sleep(0.1)",  # the watchdog looks at least once
        patience=PATIENCE,
        silence=SILENCE,
    )
    job.hears("computing")
    everything = [job.process.pid, *job.pids()]
    (tmp_path / "still").touch()
    eventually(lambda: len(list(tmp_path.glob("seen-*"))) == 2)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in everything:
            os.kill(pid, number)
        time.sleep(PATIENCE + 1 if number == signal.SIGSTOP else 0)
    (tmp_path / "awake").touch()

    assert job.end() == (0, "", "")


# --- who is to blame, and what follows ---


def test_a_killed_worker_is_named_and_the_job_starts_again(launched: Any) -> None:
    code, out, err = launched(
        "is_first = first_start()\n"
        "watchdog.note('saving', 12); print(f'start with {me}')\n"
        "if is_first: wait_for('heard', 'worker 0 out start')\n"
        "if is_first and me == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if is_first: time.sleep(60)\n",
        max_restarts=3,
    ).end()

    assert (code, out) == (0, "start with 0\n" * 2)
    assert err == (
        "worker 1 (step 12): killed by SIGKILL; starting again from the last checkpoint (restart 1 of 3)\n"
    )


def test_the_job_gives_up_after_its_restarts_each_on_another_port(launched: Any, tmp_path: Path) -> None:
    code, _, err = launched(
        "open('ports', 'a').write(os.environ['DMLC_PS_ROOT_PORT'] + ' ') if me == 0 else time.sleep(60)\n"
        "sys.exit(3)",
        max_restarts=2,
    ).end()

    assert code == 1
    assert err.splitlines() == [
        "worker 0: ended with exit code 3; starting again from the last checkpoint (restart 1 of 2)",
        "worker 0: ended with exit code 3; starting again from the last checkpoint (restart 2 of 2)",
        "worker 0: ended with exit code 3; the job is ended after restart 2 of 2",
    ]
    assert len(set((tmp_path / "ports").read_text().split())) == 3


@pytest.mark.parametrize("fault", [1, 2])
def test_a_fault_that_a_worker_has_explained_ends_the_job_with_its_line_said_once(
    fault: int, launched: Any
) -> None:
    code, _, err = launched(
        f"print('train: --lr -1: give more', file=sys.stderr); time.sleep(me); sys.exit({fault})",
        max_restarts=3,
    ).end()

    assert (code, re.sub(r"worker \d", "worker", err)) == (fault, "worker: train: --lr -1: give more\n")


def test_a_fault_of_all_is_explained_even_if_another_ends_first(launched: Any) -> None:
    code, _, err = launched(
        "if me: sys.exit(1)\n"
        "wait_for('heard', 'worker 1 ended 1'); print('why', file=sys.stderr); sys.exit(1)",
        max_restarts=3,
        words=60,
    ).end()

    assert (code, err) == (1, "worker 0: why\n")


def test_a_line_that_another_worker_has_said_is_not_said_again(launched: Any) -> None:
    _, _, err = launched(
        "if me: wait_for('heard', 'worker 0 err only 0')\n"
        "for line in ['both', 'both', f'only {me}']: print(line, file=sys.stderr)\n"
        "if not me: wait_for('heard', 'worker 1 err only 1')"
    ).end()

    assert err.splitlines() == ["worker 0: both", "worker 0: both", "worker 0: only 0", "worker 1: only 1"]


def test_a_fault_without_words_is_named(launched: Any) -> None:
    code, _, err = launched("time.sleep(60) if me == 0 else sys.exit(1)", max_restarts=3).end()

    assert (code, err) == (1, "worker 1: ended with exit code 1; the job is ended\n")


@pytest.mark.parametrize(("role", "name"), [("scheduler", "scheduler"), ("server", "server 0")])
def test_a_killed_server_or_scheduler_is_named(role: str, name: str, launched: Any) -> None:
    dies = f"os.environ['DMLC_ROLE'] == '{role}' and os.kill(os.getpid(), 9)\nsignal.pause()"
    server = SERVER.replace("signal.pause()", dies)

    code, _, err = launched("time.sleep(60)", server=[sys.executable, "-S", "-c", server]).end()

    assert (code, err) == (1, f"{name}: killed by SIGKILL; the job is ended\n")


def test_workers_that_are_done_may_end_long_after_their_server(launched: Any) -> None:
    server = """
import time
from pathlib import Path
def heard(*words):
    text = Path("heard").read_text("utf-8") if Path("heard").exists() else ""
    return all(word in text for word in words)
while os.environ["DMLC_ROLE"] == "server":
    if heard('worker 0 report {"phase": "done"', 'worker 1 report {"phase": "done"'): sys.exit(0)
    time.sleep(0.05)
"""
    server = SERVER.replace("import os", "import os, sys").replace(
        "signal.pause()", f"{server}\nsignal.pause()"
    )
    worker = "watchdog.note('done', 7); wait_for('heard', 'server 0 ended'); time.sleep(1)"

    code, _, err = launched(worker, server=[sys.executable, "-S", "-c", server], grace=0.1).end()

    assert (code, err) == (0, "")


WAITS = "watchdog.note('exchanging', 7); time.sleep(60)"
ENDS = "watchdog.__exit__(); report(phase=None, step=None)"
HAS_NO_SCHEDULER = "os.environ['DMLC_PS_ROOT_PORT'] = '1'"
STEPS = "for step in range(600): watchdog.note('computing', step); time.sleep(0.1)"
UNREACHED = "reach the scheduler at 127.0.0.1:1"
NONE = f"no worker can go on for {PATIENCE} s"
CULPRITS = {  # the line: what the workers do, or who is stopped while they work
    "worker 1 (step 7): stopped (SIGSTOP)": (
        f"watchdog.note('saving', 7)\nif me == 1: os.kill(os.getpid(), signal.SIGSTOP)\n{WAITS}"
    ),
    f"worker 1 (step 7): cannot {UNREACHED}": f"if me == 1: {HAS_NO_SCHEDULER}\n{WAITS}",
    f"no worker can {UNREACHED}": f"{HAS_NO_SCHEDULER}\n{WAITS}",
    f"worker 1 (step 8): stuck in computing for {PATIENCE} s (--patience)": (
        f"if me == 1: watchdog.note('computing', 8); time.sleep(60)\n{WAITS}"
    ),
    f"worker 1: never joined within {PATIENCE} s": f"if me == 1: {ENDS}; time.sleep(60)\n{WAITS}",
    f"worker 0: never joined within {PATIENCE} s": f"{ENDS}; time.sleep(60)",
    f"worker 1 (step 0): never joined within {PATIENCE} s": (
        f"if me == 1: watchdog.note('joining', 0); time.sleep(60)\n{WAITS}"
    ),
    f"worker 1 (step 6): behind the others (step 7) for {PATIENCE} s": (
        f"if me == 1: watchdog.note('exchanging', 6); time.sleep(60)\n{WAITS}"
    ),
    f"{NONE}: worker 0 (step 7) exchanging, worker 1 (step 7) exchanging": WAITS,
    f"{NONE}: worker 0 (step 7) exchanging, worker 1 ended": f"if me == 1: sys.exit(0)\n{WAITS}",
    "scheduler: stopped (SIGSTOP)": "scheduler",
    "server 0: stopped (SIGSTOP)": "server",
}


@pytest.mark.slow
def test_a_job_that_cannot_go_on_names_the_culprit(launched: Any, tmp_path: Path) -> None:
    ends = {}
    for lines in (list(CULPRITS)[k : k + 4] for k in range(0, len(CULPRITS), 4)):  # at once: a few
        jobs = {}
        for line in lines:
            worker, folder = CULPRITS[line], tmp_path / str(len(ends) + len(jobs))
            folder.mkdir()
            stops = f"if os.environ['DMLC_ROLE'] == {worker!r}: os.kill(os.getpid(), signal.SIGSTOP)\n"
            server = [sys.executable, "-S", "-c", SERVER.replace("signal.pause()", stops + "signal.pause()")]
            script = STEPS if worker in ("scheduler", "server") else worker
            jobs[line] = launched("meet()\n" + script, folder=folder, server=server, patience=PATIENCE)
        ends |= {line: job.end() for line, job in jobs.items()}

    assert ends == {line: (1, "", f"{line}; the job is ended\n") for line in CULPRITS}


# --- stopping ---

STOPS = """
stopped = []
signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
signal.signal(signal.SIGHUP, lambda number, _: stopped.append(number))
for step in range(600):
    watchdog.note('computing', step)
    time.sleep(0.05)
    if stopped: Path(f'asked-{me}').touch()
    if stopped and SAVES:
        Path(f'saved-{me}').touch()
        sys.exit(128 + stopped[0])
"""


def test_the_first_signal_lets_the_workers_save(launched: Any, tmp_path: Path) -> None:
    jobs = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        folder = tmp_path / str(number)
        folder.mkdir()
        jobs[number] = launched("SAVES = True" + STOPS, folder=folder, max_restarts=3)
    for number, job in jobs.items():
        job.hears("computing")
        job.process.send_signal(number)
        if number != signal.SIGINT:  # a terminal that is closed says it twice, and so does timeout
            job.process.send_signal(number)

    for number, job in jobs.items():
        assert job.end() == (128 + number, "", "")
        assert (job.folder / "saved-0").exists() and (job.folder / "saved-1").exists()


def test_the_second_signal_ends_everything_at_once(launched: Any, tmp_path: Path) -> None:
    job = launched("SAVES = False" + STOPS, max_restarts=3)
    job.hears("computing")
    job.process.send_signal(signal.SIGINT)
    eventually(lambda: len(list(tmp_path.glob("asked-*"))) == 2)
    job.process.send_signal(signal.SIGTERM)

    assert job.end() == (143, "", "stopped at once: what came after the last checkpoint is lost\n")


@pytest.mark.slow
def test_workers_that_do_not_stop_are_killed_in_the_end(launched: Any) -> None:
    job = launched("SAVES = False; watchdog.patience = 60" + STOPS, patience=1, max_restarts=3)
    job.hears("computing")
    job.process.send_signal(signal.SIGINT)
    code, _, err = job.end()

    assert code == 1
    assert err.startswith("not stopped within 1 s; worker 0 (step ")
    assert err.endswith("; the job is ended\n")


def test_a_job_that_has_not_begun_stops_at_once(launched: Any) -> None:
    job = launched("watchdog.note('joining'); time.sleep(60)")
    job.hears("joining")
    job.process.send_signal(signal.SIGINT)

    assert job.end() == (130, "", "stopped before the first step\n")


def test_workers_that_somebody_else_stops_stop_the_job(launched: Any) -> None:
    job = launched("SAVES = True" + STOPS, max_restarts=3)
    job.hears("computing")
    os.kill(job.pids("worker.py")[0], signal.SIGTERM)

    assert job.end() == (143, "", "")


# --- no orphan, ever ---

HAS_A_CHILD = "subprocess.Popen(['sleep', '600'])\n"


def begun(job: Launched) -> bool:
    return len(job.pids("worker.py")) == 2 and len(job.pids("-S", "-c")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [False, True], ids=["", "and a worker is stopped"])
def test_nothing_outlives_a_killed_launcher(stopped: bool, launched: Any) -> None:
    job = launched(HAS_A_CHILD + STEPS, silence=60)  # it is not by silence that they know
    eventually(lambda: begun(job) and len(job.pids("sleep")) == 2)
    if stopped:
        os.kill(job.pids("worker.py")[0], signal.SIGSTOP)
    job.process.kill()

    eventually(lambda: not job.pids())


@pytest.mark.slow
def test_nothing_but_itself_outlives_a_stopped_launcher(launched: Any) -> None:
    job = launched(STEPS, silence=SILENCE)
    eventually(lambda: begun(job))
    job.process.send_signal(signal.SIGSTOP)

    eventually(lambda: not job.pids())
    job.process.kill()


@pytest.mark.slow
def test_an_agent_that_is_killed_or_silent_takes_its_worker_along_and_is_named(
    launched: Any, tmp_path: Path
) -> None:
    jobs = {}
    for number, silence in {signal.SIGKILL: 60, signal.SIGSTOP: SILENCE}.items():
        folder = tmp_path / str(number)
        folder.mkdir()
        jobs[number] = launched(STEPS, folder=folder, silence=silence, grace=0.5)
    for number, job in jobs.items():
        job.hears("computing")
        os.kill(job.agent_of(1), number)

    for job in jobs.values():
        code, _, err = job.end()
        assert code == 1
        assert re.fullmatch(r"lost the connection to worker 1 \(step \d+\); the job is ended\n", err)
        eventually(lambda job=job: not job.pids())


# --- other machines ---

HOSTS = [["198.51.100.1", 1], ["198.51.100.2", 2]]  # addresses that nobody has
WARNING = r"warning: ps-lite has no authentication: .* 198\.51\.100\.1, 198\.51\.100\.2 .*\n"


def ssh_in(folder: Path) -> list[str]:
    """In place of ssh: runs the command here, in a session and with an environment of its own, until cut."""
    script = folder / "ssh"
    script.write_text(
        f"#!/bin/sh\n[ -e '{folder}/cut' ] && exit 255\necho $1 >> '{folder}/addresses'\nshift\n"
        'cat | env -i "PATH=$PATH" "D2LRNN_TEST_MARK=$D2LRNN_TEST_MARK" setsid --wait sh -c "$*" 2>&1 | cat\n'
    )
    script.chmod(0o755)
    return [str(script)]


@pytest.mark.parametrize(
    ("workers", "asked", "expected"),
    [
        ([2], None, [0, 0]),
        ([9], None, [0] * 4),
        ([1, 1, 1, 1, 1], None, [0, 1, 2, 3, 4]),
        ([0, 1], None, [0, 1]),
        ([4, 4], None, [0, 1, 0, 1]),
        ([1, 2], 1, [0]),
        ([2, 2], 5, [0, 1, 0, 1, 0]),
    ],
)
def test_servers_are_spread_over_the_machines(
    workers: list[int], asked: int | None, expected: list[int]
) -> None:
    hosts = [Host(f"198.51.100.{k}", num_workers) for k, num_workers in enumerate(workers)]

    assert Job(["pass"], hosts, asked).servers == [hosts[k] for k in expected]


def test_each_server_is_started_where_it_belongs(launched: Any, tmp_path: Path) -> None:
    line = "'{DMLC_ROLE} {DMLC_NODE_HOST} {DMLC_NUM_SERVER}\\n'.format_map(os.environ)"
    tell = f"import os, signal\nopen('servers', 'a').write({line})\nsignal.pause()"
    server = [sys.executable, "-S", "-c", tell]
    script = "while len(Path('servers').read_text().splitlines()) < 4: time.sleep(0.05)"
    job = launched(
        f"wait_for('servers')\n{script}", ssh=ssh_in(tmp_path), hosts=HOSTS, server=server, num_servers=None
    )

    assert job.end()[0] == 0
    assert sorted((tmp_path / "servers").read_text().splitlines()) == [
        "scheduler 198.51.100.1 3", "server 198.51.100.1 3", "server 198.51.100.1 3", "server 198.51.100.2 3"
    ]  # fmt: skip


def test_other_machines_are_reached_through_ssh(launched: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a 'cwd' with \"quotes\" $HOME 分开"
    folder.mkdir()
    tell = "print(os.getcwd(), os.environ.get('SECRET'), os.environ['MXNET_CPU_TEMP_COPY'])"
    env = {"SECRET": "hidden", "MXNET_CPU_TEMP_COPY": "64"}
    job = launched(
        tell + "\nPath(str(me)).write_text('{DMLC_NODE_HOST} {DMLC_PS_ROOT_URI}'.format_map(os.environ))",
        folder=folder, ssh=ssh_in(tmp_path), hosts=HOSTS, env=env, server=["sleep", "600"],
    )  # fmt: skip
    code, out, err = job.end()

    assert (code, out) == (0, f"{folder} None 64\n")
    assert re.fullmatch(WARNING, err)
    assert [(folder / str(k)).read_text() for k in range(3)] == [
        f"{address} 198.51.100.1" for address in ("198.51.100.1", "198.51.100.2", "198.51.100.2")
    ]
    addresses = (tmp_path / "addresses").read_text().split()
    assert sorted(addresses) == ["198.51.100.1"] * 3 + ["198.51.100.2"] * 2


def test_a_host_on_which_nothing_starts_is_named_with_what_ssh_says(launched: Any, tmp_path: Path) -> None:
    script = tmp_path / "ssh"
    script.write_text(
        '#!/bin/sh\n[ $1 = 198.51.100.1 ] && exec cat > /dev/null\necho "ssh: no route to $1" >&2\nexit 255\n'
    )
    script.chmod(0o755)
    code, _, err = launched("pass", ssh=[str(script)], hosts=HOSTS, max_restarts=3).end()

    assert code == 2
    assert re.fullmatch(
        WARNING
        + r"worker [12] on 198\.51\.100\.2: ssh: no route to 198\.51\.100\.2\n"
        + r"worker [12] on 198\.51\.100\.2: cannot be started; the job is ended\n",
        err,
    )


@pytest.mark.slow
def test_a_cut_connection_is_named_and_nothing_goes_on_behind_it(launched: Any, tmp_path: Path) -> None:
    jobs = {}
    for how in ("closed", "silent", "closed, and the agent is stopped"):
        folder = tmp_path / how
        folder.mkdir()
        jobs[how] = launched(
            STEPS, folder=folder, ssh=ssh_in(folder), hosts=HOSTS, server=["sleep", "600"], grace=0.5,
            silence=SILENCE,
        )  # fmt: skip
    for how, job in jobs.items():
        job.hears("computing", num_workers=3)
        agent = job.agent_of(1)
        link = next(pid for pid in job.pids("/bin/sh", "198.51.100.2") if agent in descendants(pid))
        if how == "silent":
            (job.folder / "cut").touch()
        if "stopped" in how:
            os.kill(agent, signal.SIGSTOP)
        os.killpg(link, signal.SIGSTOP if how == "silent" else signal.SIGKILL)

    for job in jobs.values():
        code, _, err = job.end()
        left = job.pids()
        line = r"lost the connection to worker 1 on 198\.51\.100\.2 \(step \d+\); the job is ended\n"
        assert code == 1
        assert re.fullmatch(WARNING + line, err)
        assert left == []


def descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}.union(*(descendants(int(child)) for child in children))


# --- the file of hosts ---


def test_a_file_of_hosts_has_addresses_and_numbers_of_workers(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("\ufeff# ours\n10.0.0.2\n\n10.0.0.3\t4   # the big one\n", encoding="utf-8")

    assert read_hosts(path) == [Host("10.0.0.2", 1), Host("10.0.0.3", 4)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no worker"),
        ("# nothing\n", "names no worker"),
        ("10.0.0.2\nworker-3\n", "line 2: 'worker-3' is not an IPv4 address"),
        ("-oProxyCommand=x\n", "line 1: '-oProxyCommand=x' is not an IPv4 address"),
        ("0.0.0.0\n", "'0.0.0.0' is not an IPv4 address"),
        ("224.0.0.1\n", "'224.0.0.1' is not an IPv4 address"),
        ("::1\n", "'::1' is not an IPv4 address"),
        ("10.0.0.2 -1\n", "line 1: '-1' is not a number"),
        ("10.0.0.2 0\n", "names no worker"),
        ("10.0.0.2 two\n", "'two' is not a number"),
        ("10.0.0.2 1 2\n", "'1 2' is not a number"),
        ("10.0.0.2\n10.0.0.2 3\n", "line 2: 10.0.0.2 again"),
        ("127.0.0.1\n10.0.0.2\n", "no other machine reaches 127.0.0.1"),
        (b"\xff\xfe1\x00", "is not an IPv4 address"),
    ],
)
def test_a_wrong_file_of_hosts_is_refused(text: str | bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_hosts(path)

    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


# --- the watchdog, without a launcher ---


@pytest.mark.parametrize(
    ("phase", "environment", "line"),
    [
        ("'computing', 3", {}, "worker 4: step 3: stuck in computing for 0.1 s\n"),
        ("'exchanging', 3", {}, "worker 4: step 3: no word from the others for 0.1 s\n"),
        (
            "'joining'",
            {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "1"},
            "worker 4: no word from the others for 0.1 s; cannot reach 127.0.0.1:1\n",
        ),
    ],
)
def test_a_watchdog_ends_a_process_that_notes_nothing(
    phase: str, environment: dict[str, str], line: str
) -> None:
    code = "import time; from d2lrnn.launching.watchdog import Watchdog\n"
    code += f"Watchdog(0.1, 'worker 4').note({phase}); time.sleep(60)"
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stderr, done.stdout) == (STALLED, line, "")


@pytest.mark.slow
def test_a_watchdog_lets_a_process_go_on_that_notes_something_or_has_left() -> None:
    code = """
import threading
from d2lrnn.launching import watchdog
watchdog.TELL = 0.01
def report(**facts): # at each of its looks; its patience ends at the hundredth at the latest
    if facts["phase"] == "computing":
        look.wait(), noted.wait()
watchdog.report = report
look, noted = threading.Barrier(2), threading.Barrier(2)
with watchdog.Watchdog(1, "worker 4") as watched:
    watched.note("computing", 0)
    for note in [("computing", step) for step in range(1, 150)] + [("measuring", 150)]:
        look.wait()
        watched.note(*note)
        noted.wait()
print(threading.active_count())
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "1\n")
