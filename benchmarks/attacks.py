"""Submissions that cheat, hang or destroy, put through the real marking: who succeeds?

    python benchmarks/attacks.py                      every attack in every tier; writes attacks.md
    python benchmarks/attacks.py --tier user a04 b03  some of them, to the terminal only

The attacks lie in tests/grading/attacks, a file each. They know all there is to know: where the answers
lie, which process grades them, what the public cases are. What a file imports from `honest` it has
deserved; every other point, and everything that is found changed, read, left behind or waiting afterwards,
counts as a success of the attack.
The tiers: root (as started here), user (an ordinary user), bare (that user, on a system that refuses
namespaces), minimal (what a platform without Landlock and seccomp would have), and naive: not ours, but a
grader of the usual kind, everything in one process. An attack that fails there too proves little.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import json
import os
import pickle
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ROOT / "tests" / "grading" / "attacks"
TIERS = ("root", "user", "bare", "minimal", "naive")
NOBODY = 65534
SECONDS, PATIENT = (
    1.5,
    20.0,
)  # of wall clock for a call: to what an attack has spoilt, and to what is sound in it
MEMORY = 1536 * 2**20
PUBLIC = 0.3  # the share of a case that its public example earns
PATIENCE = {"naive": 8.0, "minimal": 45.0}  # seconds until a grader counts as hung
SECRET = "D2LRNN_ATTACK_SECRET"  # in the grader's environment
EARLIER = "mark-of-an-earlier-student-7f3a"  # in the text of the submission that is graded before each attack
FUNCTIONS = ("one_hot", "grad_clipping", "sgd", "Optimizer")
PLACES = ("/tmp", "/dev/shm", "/var/tmp", str(ROOT), str(ROOT / "d2lrnn"), str(ATTACKS.parent), sys.prefix)


# ------------------------------------------------------------------------------------------- the submissions
def names(chosen: Iterable[str] = ()) -> list[str]:
    """The attacks that begin with one of the words, or all. c…: controls, a…: on any grader, b…: on ours."""
    every = sorted(path.stem for path in ATTACKS.glob("[abc][0-9]*.py"))
    return [name for name in every if not chosen or any(name.startswith(word) for word in chosen)]


def deserved(name: str) -> dict[str, float]:
    """The share of each function's points that an attack has honestly earned."""
    shares = dict.fromkeys(FUNCTIONS, 0.0)
    for node in ast.parse((ATTACKS / f"{name}.py").read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "honest":
            shares.update({alias.name: 1.0 for alias in node.names})
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PUBLIC_ONLY":
            shares.update(dict.fromkeys(ast.literal_eval(node.value), PUBLIC))
    return shares


def written(name: str, facts: dict[str, Any]) -> bytes:
    """The file as it is handed in.

    `from honest import …` becomes those functions, a line `# @ expression` what it says, and @word@ a fact.
    """
    honest = (ATTACKS / "honest.py").read_text("utf-8")
    functions = {
        node.name: str(ast.get_source_segment(honest, node))
        for node in ast.parse(honest).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    lines = []
    for line in (ATTACKS / f"{name}.py").read_text("utf-8").splitlines():
        if line.startswith("from honest import "):
            wanted = [alias.name for alias in ast.parse(line).body[0].names]  # type: ignore[attr-defined]
            line = "\n\n".join(
                ["import math\n\nimport numpy as np\nfrom mxnet import nd", *(functions[n] for n in wanted)]
            )
        elif line.startswith("# @ "):
            line = str(eval(line[4:], {}, facts))
        for word, value in facts.items():
            line = line.replace(f"@{word}@", str(value))
        lines.append(line)
    return "\n".join([*lines, ""]).lstrip("\n").encode("utf-8", "surrogatepass")


def key(*args: Any) -> str:
    """Arguments as text, alike in the grader and in a submission."""

    def plain(value: Any) -> Any:
        if hasattr(value, "asnumpy"):
            return [value.asnumpy().round(4).tolist(), plain(value.grad)]
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    return repr([plain(arg) for arg in args])


def public_knowledge(cases: Iterable[Any]) -> dict[str, str]:
    """What everybody can find out from the package: arguments and answers of the public examples, as code."""
    import d2lrnn
    from d2lrnn.grading.case import run_drive

    told: dict[str, Any] = {}
    driven: dict[str, Any] = {}

    class Spy:
        def __getattr__(self, name: str) -> Any:
            def ask(*args: Any, **kwargs: Any) -> Any:
                asked = key(*args, *kwargs.values())
                told[asked] = None
                answer = getattr(d2lrnn, name)(*args, **kwargs)
                if hasattr(answer, "asnumpy"):
                    told[asked] = answer.asnumpy().tolist()
                return answer

            return getattr(d2lrnn, name) if isinstance(getattr(d2lrnn, name), type) else ask

    for case in cases:
        driven.setdefault(case.driver, []).append(
            (repr(case.example), run_drive(case.drive, Spy(), case.example))
        )
    return {
        "examples": f"EXAMPLES = {told!r}\n\n{inspect.getsource(key)}".replace(": Any", "").replace(
            " -> Any", ""
        ),
        "driven": f"import pickle\n\nDRIVEN = pickle.loads({pickle.dumps(driven)!r})",
    }


# ----------------------------------------------------------------------------------- what attacks could harm
class Arena:
    """Answers, other people's work, results, a bystander, servers: in reach of an attack but for the jail.

    owner: the user that grades.
    """

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.folder = Path(tempfile.mkdtemp(prefix="d2lrnn-arena-"))
        os.chmod(self.folder, 0o777)
        self.handed_in = Path(tempfile.mkdtemp(prefix="d2lrnn-handed-in-"))
        os.chmod(self.handed_in, 0o755)
        self.port, self.unix = socket.socket(), socket.socket(socket.AF_UNIX)
        self.port.bind(("127.0.0.1", 0))
        self.unix.bind(f"\0{self.folder.name}")
        for server in (self.port, self.unix):
            server.listen()
            server.setblocking(False)
        self.bystander = subprocess.Popen(["sleep", "3600"], user=owner if os.geteuid() == 0 else None)

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bystander.kill()
        self.bystander.wait()
        self.port.close()
        self.unix.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.handed_in, ignore_errors=True)

    def facts(self, grader: int) -> dict[str, Any]:
        """What an attack is told of its surroundings."""
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
        for path in (self.folder, self.folder.with_name(f"{self.folder.name}.gone")):
            if path.is_symlink():
                path.unlink()
            shutil.rmtree(path, ignore_errors=True)
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
        folders = [] if self.folder.is_symlink() else self.folder.rglob("*")
        for path in sorted([self.folder, *folders] if os.path.lexists(self.folder) else []):
            found = path.lstat()
            # results/results.json is written by the naive grader itself
            content = path.read_bytes() if stat.S_ISREG(found.st_mode) and found.st_mode & 0o400 else b""
            times = found.st_mtime if path.is_file() else 0
            state[str(path.relative_to(self.folder))] = (found.st_mode, found.st_uid, times, content)
        pid = self.bystander.pid
        running = self.bystander.poll() is None
        fields = (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() if running else ["gone"] * 20
        )
        limits = Path(f"/proc/{pid}/limits").read_text() if running else ""
        cores = os.sched_getaffinity(pid) if running else set()
        state["a bystander"] = (fields[0], fields[2], fields[15], fields[16], limits, cores)
        return state

    def harm(self, *, but: tuple[str, ...] = ()) -> list[str]:
        """What is not as it was laid out, and the traces that attacks leave elsewhere (which are removed)."""
        after = self._state()
        changed = {n for n in {*after, *self._before} if after.get(n) != self._before.get(n)}
        found = [f"changed {name}" for name in sorted(changed.difference(but))]
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
            self.bystander.kill()
            self.bystander.wait()
            self.bystander = subprocess.Popen(
                ["sleep", "3600"], user=self.owner if os.geteuid() == 0 else None
            )
        return found


def descendants(root: int) -> list[int]:
    """The processes below one, the dead ones that nobody has asked after left out."""
    children: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] not in b"ZX":
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


# ------------------------------------------------------------------------------------ the side that examines
@dataclass
class Finding:
    """What came of one attack in one tier. successes: empty, if it was held."""

    name: str
    tier: str
    successes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # deserved, and not given
    points: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)


class Examiner:
    """A grader in a process of its own, in one tier, and an arena around it."""

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.user = 0 if tier == "root" else NOBODY if os.geteuid() == 0 else os.geteuid()
        self.arena = Arena(self.user)
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.public: dict[str, str] = {}

    def __enter__(self) -> Examiner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.arena.__exit__()

    def start(self) -> None:
        """Start the grader, or another one."""
        self.stop()
        options: dict[str, Any] = {}
        if os.geteuid() == 0 and self.user:
            options = {"user": self.user, "group": self.user, "extra_groups": []}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), "--serve", self.tier, str(self.arena.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                SECRET: "s3cret",
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                "HOME": "/nonexistent",
            },
            cwd=self.arena.folder.parent,
            start_new_session=True,
            **options,
        )
        hello = self._hear(120)
        if hello is None:
            raise RuntimeError(f"the grader of tier {self.tier} does not start")
        self.public, self.at_rest, self.isolation = hello["public"], hello["at_rest"], hello["isolation"]

    def stop(self) -> None:
        """End the grader and whatever is left below it."""
        if self.process is None:
            return
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.process = None

    def _hear(self, seconds: float) -> Any:
        """A line of JSON from the grader, or None if it has died or says nothing in time."""
        assert self.process
        assert self.process.stdout
        line, until = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            more = os.read(self.process.stdout.fileno(), 2**20)
            if not more:
                self.process.wait(10)
                return None
            line += more
        return json.loads(line)

    def put(self, name: str) -> Finding:
        """Let the grader grade an attack, and look at what became of everything."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        assert self.process
        assert self.process.stdin
        self.arena.lay_out()
        path = self.arena.handed_in / f"{name}.py"
        path.write_bytes(written(name, {**self.public, **self.arena.facts(self.process.pid)}))
        started = time.monotonic()
        sound = [function for function, share in deserved(name).items() if share == 1]
        self.process.stdin.write(json.dumps([str(path), sound]).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._hear(PATIENCE.get(self.tier, 60.0))
        finding = Finding(name, self.tier, seconds=time.monotonic() - started)
        if answer is None:
            finding.successes.append(
                "the grader hangs" if self.process.poll() is None else "the grader has died"
            )
        else:
            finding.points = answer["points"]
            finding.successes += answer["successes"]
            finding.remarks += answer["remarks"]
        self._weigh(finding)
        left = len(descendants(self.process.pid)) - self.at_rest
        if answer is not None and left > 0:
            finding.successes.append(f"{left} processes left")
        if answer is None or left > 0:
            self.stop()
        but = ("results/results.json",) if self.tier == "naive" else ()
        finding.successes += self.arena.harm(but=but)
        path.unlink()
        return finding

    @staticmethod
    def _weigh(finding: Finding) -> None:
        due = deserved(finding.name)
        for function, share in finding.points.items():
            if share > due.get(function, 0) + 1e-9:
                finding.successes.append(f"undeserved: {function} {share:.2f}")
            elif share < due[function] - 1e-9:
                finding.lost.append(f"{function} {share:.2f} of {due[function]:.2f}")


# -------------------------------------------------------------------------------------- the side that grades
def serve(tier: str, arena: str) -> None:
    """Grade the files that are named on stdin, and say as JSON what came of each."""
    ctypes_prctl(
        36, 1
    )  # PR_SET_CHILD_SUBREAPER: what outlives the grader's own care is found below this process
    if tier == "bare":
        refuse_namespaces()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    grader = Naive(channel, Path(arena)) if tier == "naive" else Ours(tier)
    hello = {
        "public": public_knowledge(grader.cases),
        "at_rest": grader.at_rest(),
        "isolation": grader.isolation,
    }
    print(json.dumps(hello), file=channel, flush=True)
    for line in sys.stdin:
        print(json.dumps(grader.grade(*json.loads(line))), file=channel, flush=True)


def ctypes_prctl(option: int, *arguments: Any) -> int:
    """prctl of the C library."""
    import ctypes

    return int(ctypes.CDLL(None).prctl(option, *arguments, *[0] * (4 - len(arguments))))


def refuse_namespaces() -> None:
    """From here on clone and unshare make no namespaces, and clone3 is unknown, as in Docker."""
    import ctypes

    numbers = {"x86_64": (272, 56, 435), "aarch64": (97, 220, 435)}[os.uname().machine]
    unshare, clone, clone3 = numbers
    new = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
    eperm, enosys, allow = 0x00050001, 0x00050026, 0x7FFF0000
    code = [
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 6, 0, unshare), (0x15, 1, 0, clone), (0x15, 3, 5, clone3),
        (0x20, 0, 0, 16), (0x45, 2, 0, new), (0x06, 0, 0, allow),  # load its first argument: flags
        (0x06, 0, 0, enosys), (0x06, 0, 0, eperm), (0x06, 0, 0, allow),
    ]  # fmt: skip
    filters = b"".join(struct.pack("<HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(filters)
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(buffer)))
    if ctypes_prctl(38, 1) or ctypes_prctl(22, 2, program):  # NO_NEW_PRIVS, SECCOMP in mode FILTER
        raise OSError("no seccomp here: the tier «bare» cannot be made")


class Ours:
    """The grader of this project: the real marking, jail and reports, on a few cases, in a hurry."""

    def __init__(self, tier: str) -> None:
        from d2lrnn.grading.cases import CASES
        from d2lrnn.grading.jail import Jail
        from d2lrnn.grading.marking import Exam, Points

        every = [case for case in CASES if case.function in FUNCTIONS]
        by_function = {f: [case for case in every if case.function == f] for f in FUNCTIONS}
        self.cases = [case for cases in by_function.values() for case in cases[:2]]
        self.exam = Exam(self.cases, seed=20240607)
        self.control = Exam([cases[0] for cases in by_function.values()], seed=20240608)
        self.points = Points(PUBLIC, {(case.function, case.name): 1.0 for case in self.cases})
        self.jail = Jail("minimal" if tier == "minimal" else "best")
        self.isolation = self.jail.tier
        self.replies: list[Any] = []
        self.text = written("c0_correct", {}).decode() + f"\n# {EARLIER}\n"
        if self._control():
            raise RuntimeError("a sound submission does not get full marks here")

    def at_rest(self) -> int:
        """How many processes this grader needs."""
        return len(descendants(os.getpid()))

    # What the marking sees of the jail: its answers are kept, its limits are ours.
    tier = property(lambda self: self.jail.tier)
    lacking = property(lambda self: self.jail.lacking)

    def ask(self, call: Any) -> Any:
        """Pass a question on, with little time and memory; to sound code with time enough."""
        drivers = [question[0] for question in call.inputs.get("questions", ())] or [call.driver]
        spoilt = any(case.driver in drivers and case.driver not in self.sound for case in self.cases)
        reply = self.jail.ask(replace(call, seconds=SECONDS if spoilt else PATIENT, memory=MEMORY))
        self.replies.append(reply)
        return reply

    def grade(self, path: str, sound: list[str]) -> dict[str, Any]:
        """Mark a file in which some functions are sound, write reports, mark a sound submission after it."""
        from d2lrnn.grading.marking import mark
        from d2lrnn.grading.report import by_function
        from d2lrnn.grading.submissions import read_submissions

        self.replies.clear()
        self.sound = [case.driver for case in self.cases if case.function in sound]
        marks = mark(read_submissions([path])[0], self.exam, self)  # type: ignore[arg-type]
        shares = {
            function: self.points.score(outcomes) / self.points.max_score(outcomes)
            for function, outcomes in by_function(marks.outcomes).items()
        }
        remarks = [marks.note, *(suspicion["what"] for suspicion in marks.suspicions)]
        successes = [*self._told(), *self._reported(marks), *self._control()]
        return {"points": shares, "successes": successes, "remarks": remarks}

    def _told(self) -> list[str]:
        """What an attack itself says that it has reached."""
        said = [f"{reply.console}\n{reply.error}\n{reply.value!r:.10000}" for reply in self.replies]
        lines = {
            line[:150] for text in said for line in text.splitlines() if "BEATEN" in line or SECRET in line
        }
        return sorted(lines)[:5]

    def _reported(self, marks: Any) -> list[str]:
        """What is in the reports and may not be there."""
        from d2lrnn.grading import report

        texts = {
            "terminal": report.class_table([marks], self.points) + "\n" + report.check_report(marks),
            "grades.csv": report.grades_csv([marks], self.points),
            "results.json": json.dumps(report.results_json(marks, self.points), ensure_ascii=False),
            "feedback.html": report.feedback_html(marks, self.points),
        }
        bad = [
            "d2lrnn-hidden-",
            SECRET,
            EARLIER,
            "\x1b",
            "\x07",
            "\x08",
            "\x7f",
            "\x9b",
            "\u202e",
            "\u2066",
            "\u200f",
        ]
        tags = ["<script>", "<img", "</pre>"]
        orders = ["##vso", "##[", "\n::"]
        found = []
        for where, text in texts.items():
            words = bad + (tags if where == "feedback.html" else []) + (orders if where == "terminal" else [])
            found += [f"{where}: {word!r}" for word in words if word in text]
        cells = [cell for line in texts["grades.csv"].splitlines() for cell in line.split(",")]
        found += [
            f"grades.csv: a formula {cell[:20]!r}"
            for cell in cells
            if cell.lstrip('" \t')[:1] in tuple("=+@")
        ]
        json.dumps([report.suspicions_jsonl([marks])])
        return found + [
            f"{where}: {len(text)} characters" for where, text in texts.items() if len(text) > 10**5
        ]

    def _control(self) -> list[str]:
        """A sound submission in the same jail gets what it deserves, whatever was graded before it."""
        from d2lrnn.grading.marking import mark
        from d2lrnn.grading.submissions import Cell, Submission

        self.sound = [case.driver for case in self.cases]
        marks = mark(Submission("sound", "sound.py", (Cell(0, self.text),)), self.control, self)  # type: ignore[arg-type]
        wrong = [outcome.function for outcome in marks.outcomes if not (outcome.example and outcome.hidden)]
        return [f"the next student loses {', '.join(wrong)}: {marks.note}"] if wrong else []


class Naive:
    """A grader of the usual kind: submission, tests and answers in one process, results in a file."""

    def __init__(self, channel: Any, arena: Path) -> None:
        from d2lrnn.grading.cases import CASES

        self.channel, self.arena = channel, arena
        self.cases = [next(case for case in CASES if case.function == f) for f in FUNCTIONS]
        self.isolation = "none"

    def at_rest(self) -> int:
        """How many processes this grader needs."""
        return 0

    def grade(self, path: str, sound: list[str]) -> dict[str, Any]:
        """Grade in a child, so that at least the next submission finds a grader."""
        results = self.arena / "results" / "results.json"
        with tempfile.TemporaryFile() as console:
            child = os.fork()
            if child == 0:
                os.setsid()
                os.close(self.channel.fileno())
                os.dup2(console.fileno(), 1)
                os.dup2(console.fileno(), 2)
                try:
                    results.write_text(json.dumps(self._points(Path(path))), encoding="utf-8")
                    sys.stdout.flush()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            console.seek(0)
            said = console.read(2**20).decode(errors="replace")
            printed = os.fstat(console.fileno()).st_size
        try:
            found = json.loads(results.read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        points = {function: float(found.get(function, 0)) for function in FUNCTIONS}
        successes = sorted({line[:150] for line in said.splitlines() if "BEATEN" in line})[:5]
        successes += (
            ["no report"] * (not found)
            + ["a flood of prints"] * (printed > 2**26)
            + ["escape sequences on the terminal"] * ("\x1b" in said)
        )
        successes += ["hidden inputs in the feedback"] * ("d2lrnn-hidden-" in said)
        return {"points": points, "successes": successes, "remarks": []}

    def _points(self, path: Path) -> dict[str, float]:
        import types

        import numpy as np

        import d2lrnn
        from d2lrnn.grading.marking import Exam

        module = types.ModuleType("submission")
        vars(module).update({name: getattr(d2lrnn, name) for name in ("adam", "init_adam_states")})
        exam, points = Exam(self.cases, seed=1), {}
        try:
            exec(compile(path.read_bytes(), "submission.py", "exec"), vars(module))
        except Exception as error:
            print(error)
            return dict.fromkeys(FUNCTIONS, 0.0)
        for case in self.cases:
            right = []
            for k in (0, 1, 2):
                inputs = exam.inputs(case, k)
                expected = case.expected(inputs)
                try:
                    answer = case.drive(module, **inputs)
                    right.append(_alike(answer, expected, np))
                except Exception as error:
                    print(f"{type(error).__name__}: {error}")
                    right.append(False)
            points[case.function] = 1.0 if all(right) else PUBLIC if right[0] else 0.0
        return points


def _alike(answer: Any, expected: Any, np: Any) -> bool:
    if isinstance(expected, list):
        return len(answer) == len(expected) and all(_alike(a, e, np) for a, e in zip(answer, expected))
    answer = answer.asnumpy() if hasattr(answer, "asnumpy") else answer
    return bool(np.allclose(answer, expected, rtol=1e-4, atol=1e-5))


# ------------------------------------------------------------------------------------------------- the table
# x: the attack succeeded, .: it was held, a letter for each of PEERS. Measured on a numpy assignment of three
# functions, outside of the containers that bound hangs, memory, disk and network where some usually run.
PEERS = ("pytest", "gradescope-utils", "otter-grader", "nbgrader", "PrairieLearn", "PrairieLearn v2")
AT_PEERS = {
    "a01": "......", "a02": "x.....", "a03": "x.....", "a04": "xxx...", "a05": "xxx..x", "a06": "xxxxxx",
    "a07": "xxxxx.", "a08": "xxx...", "a09": "xxxxx.", "a10": "xxxxx.", "a11": "xxxxx.", "a12": "xxxx.x",
    "a13": "xxxxxx", "a14": ".x.xx.", "a15": "xxxxxx", "a16": "x.....", "a17": "xxxxx.", "a18": ".xxxx.",
    "a19": "xxxxx.", "a20": "..x...", "a22": "xxxxx.", "a23": "..xx..", "a24": "xxxxxx", "a25": "xxxxxx",
    "a26": "..xx..", "a27": ".....x", "a28": "..xx..", "a29": "......", "a30": "......", "a31": "xxxxxx",
    "a32": "xxxx..", "a33": "......", "a34": "...x..", "a35": "......", "a36": "......", "a37": "...x..",
    "a39": ".xx...", "a40": "xx..xx", "a41": "xxxx..", "a42": "..xx..", "a43": "xxxxx.",
}  # fmt: skip
INTRO = """# Attacks

Submissions that cheat, hang or destroy, and what they reached: `python benchmarks/attacks.py` makes this
table anew (about {minutes:.0f} minutes here). **x**: it gained points that it had not earned, learned what
is hidden, left something behind, or harmed the grader or others; a dot: it was held; **lost**: it was held,
but points that it had earned were lost. {system}.

root, user, bare, minimal: this grader, started as root; as an ordinary user; as that user where the system
refuses namespaces; and with nothing but a process of its own, as on systems without Landlock and seccomp.
naive: submission, tests and answers in one process, to show that the attack does something. The columns to
the right were measured elsewhere, with attacks of the same descriptions on a numpy assignment of three
functions: pytest judged by its exit status, gradescope-utils 0.5.0, otter-grader 7.0.0 (`otter run`),
nbgrader 0.9.6, PrairieLearn's Python grader (August 2026) and pytest-prairielearn-grader 0.3.1. Some of
these usually run in a container, which bounds hangs, memory, disk and network, but not points and leaks. –:
not tried there.
"""


def examine(tier: str, chosen: Iterable[str]) -> Iterator[Finding]:
    """Put the attacks to a grader, one after the other."""
    with Examiner(tier) as examiner:
        for name in chosen:
            yield examiner.put(name)


def table(findings: Iterable[Finding], minutes: float) -> str:
    """All findings beside what others measured, as Markdown."""
    of = {(finding.name, finding.tier): finding for finding in findings}
    tiers = [tier for tier in TIERS if any(known == tier for _, known in of)]
    attacks = [name for name in names() if not name.startswith("c")]
    rows = []
    for name in attacks:
        marks = [_mark(of.get((name, tier))) for tier in tiers]
        others = [{"x": "**x**", ".": "·"}[mark] for mark in AT_PEERS.get(name[:3], "")] or ["–"] * len(PEERS)
        rows.append([name.replace("_", " "), *marks, *others])
    counts = []
    for i in range(1, len(rows[0])):
        cells = [row[i] for row in rows if row[i] != "–"]
        counts.append(f"**{cells.count('**x**')} / {len(cells)}**")
    head = ["attack", *tiers, *PEERS]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---", *[":-:"] * (len(head) - 1)], *rows]]
    lines.append(f"| **succeeded / tried** | {' | '.join(counts)} |")
    said = ["", "What succeeds in the tier minimal:", ""]
    for name in attacks:
        found = of.get((name, "minimal"))
        if found and found.successes:
            kinds = sorted(
                {"undeserved points" if s.startswith("undeserved") else "harm" for s in found.successes}
            )
            said.append(f"- {name.replace('_', ' ')}: {' and '.join(kinds)}")
    system = (
        f"Python {sys.version.split()[0]}, Linux {os.uname().release.split('-')[0]}, {os.uname().machine}"
    )
    return "\n".join([INTRO.format(minutes=minutes, system=system), *lines, *said, ""])


def _mark(finding: Optional[Finding]) -> str:
    if finding is None:
        return "–"
    return "**x**" if finding.successes else "lost" if finding.lost and finding.tier != "naive" else "·"


def main(argv: Optional[list[str]] = None) -> int:
    """Run attacks, print what came of each; of all of them, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help="beginnings of names (default: all)")
    parser.add_argument("--tier", action="append", choices=TIERS, help="default: all that can be had here")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        serve(*options.serve)
        return 0
    started, findings = time.monotonic(), []
    for tier in options.tier or [tier for tier in TIERS if tier != "root" or os.geteuid() == 0]:
        for finding in examine(tier, names(options.attacks)):
            findings.append(finding)
            verdict = "; ".join(finding.successes) or "held"
            lost = f"  LOST {', '.join(finding.lost)}" if finding.lost else ""
            print(f"{tier:8}{finding.name:32}{finding.seconds:5.1f} s  {verdict}{lost}", flush=True)
    if not options.tier and not options.attacks:
        text = table(findings, (time.monotonic() - started) / 60)
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
