"""Run attacks against a grader, and detect what they have harmed.

Each attack is a file in tests/grading/attacks. It knows everything: where the answers are, which process
grades it, what the public cases are. What it imports from `honest` earns its points honestly. Any other point
counts as a success of the attack, and so does anything that is found changed, read, left behind or waiting
afterwards.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2lrnn.grading.jail import descendants

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ROOT / "tests" / "grading" / "attacks"
TIERS = {
    "root": "started as root, isolation strict",
    "user": "started by an ordinary user, isolation best",
    "bare": "the same without namespaces, as in most containers",
    "minimal": "the same with nothing but a process of its own, as where Landlock and seccomp are unknown",
    "naive": "not ours: submission, tests and answers in one process, to show that the attack does something",
}
NOBODY = 65534
SECONDS, PATIENT = 0.4, 20.0  # for a call: of a function that an attack has spoilt, and of a sound one
MEMORY = 1280 * 2**20
PUBLIC = 0.3  # the share of a case that its public example earns
HUNG = {"minimal": 15.0, "naive": 8.0}  # after how many seconds a grader counts as hung, if not 45
SECRET = "D2LRNN_ATTACK_SECRET"  # in the grader's environment
EARLIER = "mark-of-an-earlier-student-7f3a"  # in the text of the submission that is graded before each attack
FUNCTIONS = ("one_hot", "grad_clipping", "sgd", "Optimizer")
PLACES = ("/tmp", "/dev/shm", "/var/tmp", str(ROOT), str(ROOT / "d2lrnn"), str(ATTACKS.parent), sys.prefix)


# --- the submissions ---


def names(chosen: Iterable[str] = ()) -> list[str]:
    """The attacks whose names begin with one of the words. c…: controls, a…: on any grader, b…: ours."""
    every = sorted(path.stem for path in ATTACKS.glob("[abc][0-9]*.py"))
    return [name for name in every if not chosen or name.startswith(tuple(chosen))]


def deserved(name: str) -> dict[str, float]:
    """The share of each function's points that an attack has honestly earned."""
    shares = dict.fromkeys(FUNCTIONS, 0.0)
    for node in ast.parse((ATTACKS / f"{name}.py").read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "honest":
            shares.update({alias.name: 1.0 for alias in node.names})
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PUBLIC_ONLY":
            shares.update(dict.fromkeys(ast.literal_eval(node.value), PUBLIC))
    return shares


def answering(name: str) -> list[str]:
    """The functions that answer in an attack, correctly or not, and are given the time for it."""
    body = ast.parse((ATTACKS / f"{name}.py").read_text("utf-8")).body
    covert = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "covert"]
    right = [function for function, share in deserved(name).items() if share]
    return right + [alias.name for node in covert for alias in node.names]


def written(name: str, facts: dict[str, Any]) -> bytes:
    """The file as it is handed in, with the modules beside it that it imports.

    A line `# @ expression` is replaced by the value of the expression, and @word@ by a fact.
    """
    text = (ATTACKS / f"{name}.py").read_text("utf-8")
    text = re.sub(r"^from honest import (.*)$", lambda found: _honest(found[1].split(", ")), text, flags=re.M)
    for module in ("covert", "known"):
        code = (ATTACKS / f"{module}.py").read_text("utf-8")
        text = re.sub(rf"^from {module} import .*$", code.replace("\\", r"\\"), text, flags=re.M)
    text = re.sub(r"^# @ (.*)$", lambda found: str(eval(found[1])), text, flags=re.M)
    text = re.sub(r"@(\w+)@", lambda found: str(facts.get(found[1], found[0])), text)
    return _run_at_import(text).encode("utf-8", "surrogatepass")


def _run_at_import(text: str) -> str:
    """Put what the grader cuts out, since it defines nothing, into bodies of classes, which run anyway."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # that is the attack
        return text
    lines = text.split("\n")
    for node in reversed(body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, (ast.Expr, ast.For, ast.While, ast.With, ast.Try, ast.If)) and not is_text:
            code = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            as_class = [f"class _Attack{node.lineno}:", f"    exec({code!r}, globals())"]
            lines[node.lineno - 1 : node.end_lineno] = as_class
    return "\n".join(lines)


def _honest(wanted: Iterable[str]) -> str:
    text = (ATTACKS / "honest.py").read_text("utf-8")
    parts = {getattr(node, "name", ""): ast.get_source_segment(text, node) for node in ast.parse(text).body}
    return "\n\n".join(
        ["import math\n\nimport numpy as np\nfrom mxnet import nd", *(str(parts[name]) for name in wanted)]
    )


# --- what attacks could harm ---


class LackingError(RuntimeError):
    """This system lacks the tier, or part of what it needs."""


@functools.cache
def as_user(user: int) -> dict[str, Any]:
    """Arguments that make subprocess start a program as this user, which takes root.

    Raises:
        LackingError: that user cannot read what is here.
    """
    if os.geteuid() or not user:
        return {}
    options: dict[str, Any] = {"user": user, "group": user, "extra_groups": []}
    reads = [sys.executable, "-c", "import numpy, audits"]
    try:
        subprocess.run(reads, cwd=ROOT, stderr=subprocess.DEVNULL, check=True, **options)
    except (PermissionError, subprocess.CalledProcessError) as exc:  # not even started, or stopped reading
        raise LackingError("an ordinary user cannot read this project, or its Python") from exc
    return options


class Arena:
    """Answers, other people's work, results, a bystander, servers: what an attack reaches without a jail.

    owner: the user that grades.
    """

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.folder = Path(tempfile.mkdtemp(prefix="d2lrnn-arena-"))
        self.handed_in = Path(tempfile.mkdtemp(prefix="d2lrnn-handed-in-"))
        os.chmod(self.handed_in, 0o755)
        self.temporary = Path(tempfile.mkdtemp(prefix="d2lrnn-temporary-"))  # the grader's own files
        os.chown(self.temporary, owner, -1)
        os.chmod(self.temporary, 0o711)
        self.port, self.unix = socket.socket(), socket.socket(socket.AF_UNIX)
        self.port.bind(("127.0.0.1", 0))
        self.unix.bind(f"\0{self.folder.name}")
        for server in (self.port, self.unix):
            server.listen()
            server.setblocking(False)
        self._call_bystander()

    def close(self) -> None:
        """Remove everything."""
        self._end_bystander()
        self.port.close()
        self.unix.close()
        self._clear()
        for folder in (self.handed_in, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)

    def _clear(self) -> None:
        for path in (self.folder, self.folder.with_name(f"{self.folder.name}.gone")):  # attacks rename it
            if path.is_symlink():
                path.unlink()
            shutil.rmtree(path, ignore_errors=True)

    def _call_bystander(self) -> None:
        self.bystander = subprocess.Popen(["sleep", "3600"], **as_user(self.owner))

    def _end_bystander(self) -> None:
        self.bystander.kill()
        self.bystander.wait()

    def facts(self, grader: int) -> dict[str, Any]:
        """What an attack is told about its surroundings."""
        return {
            "outside": self.folder,
            "package": ROOT / "d2lrnn",
            "tests": ATTACKS.parent,
            "port": self.port.getsockname()[1],
            "socket": self.folder.name,
            "victim": self.bystander.pid,
            "grader": grader,
            "memory": MEMORY,
            "seconds": SECONDS,
            "earlier": EARLIER.encode().hex(),
        }

    def lay_out(self) -> None:
        """Put everything in its place, as if nothing had happened."""
        self._clear()
        files = {
            "tests/answers.json": '{"one_hot": 1}',
            "results/results.json": "{}",
            "students/li.py": "# the work of somebody else",
        }
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            os.utime(path, (10**9, 10**9))
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chmod(path, 0o777 if path.is_dir() else 0o666)
            os.chown(path, self.owner, -1)
        self._before = self._state()

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for path in [self.folder, *self.folder.rglob("*")] if self.folder.is_dir() else []:
            found = path.lstat()
            is_file = stat.S_ISREG(found.st_mode)
            content = path.read_bytes() if is_file and found.st_mode & 0o400 else b""
            times = found.st_mtime if is_file else 0
            state[str(path.relative_to(self.folder))] = (found.st_mode, found.st_uid, times, content)
        with contextlib.suppress(OSError):  # it is gone
            process = Path("/proc", str(self.bystander.pid))
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            limits = (process / "limits").read_text(), os.sched_getaffinity(self.bystander.pid)
            state["a bystander"] = (fields[0], fields[2], fields[15], fields[16], *limits)
        return state

    def harm(self, *, but: str = "") -> list[str]:
        """What has changed since it was laid out, and what attacks left elsewhere (which is removed)."""
        after = self._state()
        changed = {name for name in {*after, *self._before} if after.get(name) != self._before.get(name)}
        found = [f"changed {name}" for name in sorted(changed - {but})]
        for server, name in ((self.port, "network"), (self.unix, "local socket")):
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    found.append(f"connected: {name}")
        for place in [*PLACES, *sys.path, os.path.expanduser("~")]:
            for path in Path(place or ".").glob("d2lrnn_attack*"):
                found.append(f"left {path}")
                path.unlink()
        if "a bystander" in changed:
            self._end_bystander()
            self._call_bystander()
        return found


# --- the side that examines ---


@dataclass
class Finding:
    """The outcome of one attack in one tier. successes: empty if it failed."""

    name: str
    tier: str
    successes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # deserved, and not given
    seconds: float = 0.0


class Examiner:
    """A grader in a process of its own, in one tier, and an arena around it.

    Raises:
        LackingError: this system cannot have such a grader.
    """

    def __init__(self, tier: str) -> None:
        if tier == "root" and os.geteuid():
            raise LackingError("only root can")
        self.tier = tier
        self.user = 0 if tier == "root" else NOBODY if os.geteuid() == 0 else os.geteuid()
        as_user(self.user)  # lacking? Then nothing has been opened yet
        self.arena = Arena(self.user)
        try:
            self.start()
        except BaseException:
            self.arena.close()
            raise

    def __enter__(self) -> Examiner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.arena.close()

    def start(self) -> None:
        """Start the grader, or another one."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "audits.graders", self.tier, self.arena.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                SECRET: "s3cret",
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                "HOME": "/nonexistent",
                "TMPDIR": str(self.arena.temporary),
            },
            cwd=self.arena.folder.parent,
            start_new_session=True,
            **as_user(self.user),
        )
        hello = self._hear(120)
        if hello is None or hello["error"]:
            self.stop()
            raise LackingError(hello["error"]) if hello else RuntimeError(f"no grader of tier {self.tier}")
        self.driven, self.at_rest, self.isolation = hello["driven"], hello["at_rest"], hello["isolation"]

    def stop(self) -> None:
        """End the grader and whatever is left below it."""
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()

    def _hear(self, seconds: float) -> Any:
        """A line of JSON from the grader, or None if it has died or does not answer in time."""
        assert self.process.stdout
        line, until = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = max(0.0, until - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                return None
            more = os.read(self.process.stdout.fileno(), 2**20)
            if not more:
                self.process.wait(10)
                return None
            line += more
        return json.loads(line)

    def put(self, name: str) -> Finding:
        """Have the grader grade an attack, and check everything afterwards."""
        if self.process.poll() is not None:
            self.start()
        assert self.process.stdin
        self.arena.lay_out()
        path = self.arena.handed_in / f"{name}.py"
        path.write_bytes(written(name, {**self.arena.facts(self.process.pid), "driven": self.driven}))
        due = deserved(name)
        started = time.monotonic()
        self.process.stdin.write(json.dumps([str(path), answering(name)]).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._hear(HUNG.get(self.tier, 45.0))
        finding = Finding(name, self.tier, seconds=time.monotonic() - started)
        if answer is None:
            what = "hangs" if self.process.poll() is None else "has died"
            finding.successes.append(f"the grader {what}")
            self.stop()
        else:
            self._weigh(finding, answer, due)
        finding.successes += self.arena.harm(but="results/results.json" if self.tier == "naive" else "")
        path.unlink()
        return finding

    def _weigh(self, finding: Finding, answer: dict[str, Any], due: dict[str, float]) -> None:
        finding.successes += answer["successes"]
        for function, share in answer["points"].items():
            if share > due[function] + 1e-9:
                finding.successes.append(f"undeserved: {function} {share:.2f}")
            elif share < due[function] - 1e-9:
                finding.lost.append(f"{function} {share:.2f} of {due[function]:.2f}")
        if (left := len(descendants(self.process.pid)) - self.at_rest) > 0:
            finding.successes.append(f"{left} processes left")
            self.stop()
