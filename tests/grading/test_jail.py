"""One call to a worker: what comes back, at which stage it fails, and that it leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from d2lrnn.grading.jail import Call, Jail, JailError, Reply, descendants
from d2lrnn.grading.wire import WireError

import numpy as np
import pytest
from test_sandbox import ordinary_user

from audits.arena import names, written

pytestmark = pytest.mark.slow

DRIVER = "def drive(s, **inputs):\n    return s.f(**inputs)\n"


@pytest.fixture(scope="module")
def minimal() -> Iterator[Jail]:
    with Jail("minimal", as_root=True) as jail:
        yield jail


@pytest.fixture
def processes(jail: Jail, minimal: Jail) -> Iterator[None]:
    before = descendants(os.getpid()).keys()
    yield
    assert descendants(os.getpid()).keys() == before


same_processes = pytest.mark.usefixtures("processes")  # below this one, at the beginning and at the end


def ask(jail: Jail, source: str, driver: str = DRIVER, **options: Any) -> Reply:
    return jail.ask(Call(source, driver, options.pop("inputs", {}), **options))


# --- values ---


def test_a_driver_gets_the_inputs_and_the_submission_and_returns_a_value(jail: Jail) -> None:
    inputs = {"x": np.arange(6, dtype="float32").reshape(2, 3), "k": 2}
    reply = ask(jail, "def f(x, k): return [x * k, {'k': k, 3: 'é'}, None, True]", inputs=inputs)
    assert (reply.ok, reply.stage, reply.error, reply.line) == (True, "", "", None)
    assert reply.value[0].dtype == "float32" and reply.value[0].tolist() == [[0, 2, 4], [6, 8, 10]]
    assert reply.value[1:] == [{"k": 2, 3: "é"}, None, True]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nd.array([1, 2])", np.array([1, 2], "float32")),
        ("nd.array([1, 2], dtype='int32')", np.array([1, 2], "int32")),
        ("np.zeros(2, '>f8')", np.zeros(2, "float64")),
        ("np.ma.array([1, 2], mask=[0, 1])", np.array([1, 2])),
        ("np.float32(0.5)", 0.5),
        ("np.int64(3)", 3),
        ("np.bool_(True)", True),
        ("np.float64(2)", 2.0),
        ("collections.namedtuple('P', 'a b')(1, nd.zeros(1))", (1, np.zeros(1, "float32"))),
        ("collections.OrderedDict(a=(1, 2))", {"a": (1, 2)}),
        ("collections.deque([1])", None),
        ("type('S', (str,), {'__eq__': lambda s, o: True})('x')", "x"),
        ("type('A', (np.ndarray,), {'__eq__': lambda s, o: True})(2)", None),
    ],
)
def test_only_plain_values_come_back(jail: Jail, expression: str, expected: Any) -> None:
    source = "import collections, numpy as np\nfrom mxnet import nd\ndef f(): return " + expression
    reply = ask(jail, source)
    if expression.startswith("collections.deque"):
        assert (reply.ok, reply.stage, reply.error) == (False, "wire", "WireError: a value of type deque")
    elif expected is None:
        assert type(reply.value) is np.ndarray
    else:
        assert repr(reply.value) == repr(expected)


def test_the_inputs_of_a_call_are_plain_values(jail: Jail) -> None:
    with pytest.raises(WireError, match="type float32"):
        ask(jail, "", inputs={"x": np.float32(1)})


# --- stages ---

LOOP = "def f():\n    while True: pass\n"
# The files that a call has open, and the last of them: the pipe of its answer.
OPEN = """
import os, sys
def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
FILES = [fd for fd in range(64) if is_open(fd)]
PIPE = FILES[-1]
wire = sys.modules["wire"]
"""
STAGES = {
    "x = (": ("import", "SyntaxError: '(' was never closed (submission.py, line 1)", 1),
    "a = 1\nb = a / 0": ("import", "ZeroDivisionError: division by zero", 2),
    "raise SystemExit(0)": ("import", "SystemExit: 0", 1),
    "import d2l": ("import", "ModuleNotFoundError: d2l is not available while a submission is graded", 1),
    "import d2l.mxnet": (
        "import",
        "ModuleNotFoundError: d2l is not available while a submission is graded",
        1,
    ),
    "": ("missing", "Missing: there is no f", None),
    "def f():\n    raise NotImplementedError('lesson 3')": ("missing", "NotImplementedError: lesson 3", 2),
    "def f():\n    return g()\ndef g():\n    raise KeyError('x')": ("call", "KeyError: 'x'", 4),
    "def f():\n    raise KeyboardInterrupt": ("call", "KeyboardInterrupt: ", 2),
    "def f(): return {1, 2}": ("wire", "WireError: a value of type set", None),
    "def f():\n    x = []\n    x.append(x)\n    return x": (
        "wire",
        "WireError: more than 12 containers inside one another",
        None,
    ),
    "def f(): return [0] * 10**10": ("memory", "MemoryError: ", 1),
    "import os\nos._exit(0)": ("died", "it ended itself with exit code 0 before it had answered", None),
    OPEN + "def f(): os.write(PIPE, bytes([1, 0, 0, 0, 0, 0, 0, 0]))": (
        "wire",
        "its answer cannot be read: not one frame",
        None,
    ),
    OPEN + "def f(): os.close(PIPE)": (
        "died",
        "it ended itself with exit code 1 before it had answered",
        None,
    ),
    "import ctypes\ndef f(): ctypes.string_at(0)": (
        "died",
        "it died of signal 11 (Segmentation fault)",
        None,
    ),
    LOOP: ("time", "no answer within 0.5 s", None),
    "def f():\n    while True: print('x' * 10**5)": ("output", "more than 16 MB printed", None),
    "class E(Exception):\n    def __str__(self): raise self\ndef f(): raise E": (
        "call",
        "an exception that cannot be shown",
        3,
    ),
}


@pytest.mark.parametrize("source", STAGES, ids=lambda source: source[-30:])
def test_a_call_that_fails_says_at_which_stage_and_why(jail: Jail, source: str) -> None:
    reply = ask(jail, source, seconds=0.5 if source == LOOP else 10)
    if "ctypes" in source:  # mxnet handles this signal: it prints, and exits with 255
        assert reply.stage == "died" and "Segmentation fault" in reply.console + reply.error
    else:
        assert (reply.stage, reply.error, reply.line) == STAGES[source]
    assert not reply.ok and reply.value is None


def test_a_child_that_sleeps_is_stopped_in_time(jail: Jail) -> None:
    reply = ask(jail, "import time\ndef f(): time.sleep(600)", seconds=0.3)
    assert reply.stage == "time" and reply.seconds < 600


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ("[0]", "not an answer"),
        ("{'ok': True}", "not an answer"),
        ("{'ok': 1, 'value': 7}", "not an answer"),
        ("{'ok': True, 'value': 7, 'score': 100}", "not an answer"),
        ("{'ok': False, 'stage': 'time', 'error': '', 'line': None}", "not an answer"),
        ("{'ok': False, 'stage': 'call', 'error': '', 'line': 'x'}", "not an answer"),
    ],
)
def test_an_answer_of_another_form_is_refused(jail: Jail, payload: str, found: str) -> None:
    reply = ask(jail, OPEN + f"wire.write_frame(PIPE, {payload})\nos._exit(0)")
    assert (reply.stage, reply.error) == ("wire", f"its answer cannot be read: {found}")
    assert reply.suspicions == ("wrote into the pipe of its answer",)


def test_a_second_answer_spoils_the_first(jail: Jail) -> None:
    forged = OPEN + "wire.write_frame(PIPE, {'ok': True, 'value': 7})\n"
    assert ask(jail, forged + "def f(): return 7").stage == "wire"
    alone = ask(jail, forged + "os._exit(0)")
    assert (alone.ok, alone.value) == (True, 7)  # it has gained what returning 7 would have gained


def test_errors_and_prints_cannot_command_a_terminal(jail: Jail) -> None:
    source = (
        "def f():\n    print('\\x1b[2Ja\\u202eb\\tc')\n    raise ValueError('\\x1b]0;x\\x07' + 'y' * 900)"
    )
    reply = ask(jail, source)
    assert reply.console == "\\x1b[2Ja\\u202eb\tc\n"
    assert reply.error.startswith("ValueError: \\x1b]0;x\\x07yyy") and len(reply.error) == 500


def test_the_first_prints_are_kept(jail: Jail) -> None:
    reply = ask(jail, "import sys\ndef f():\n    print('first'); print('x' * 10**6, file=sys.stderr)")
    assert reply.ok and reply.console.startswith("first\nxxx") and len(reply.console) == 2**16


# --- what a submission finds ---

SUPPORT = "def g(x): return x + 1\ndef h(x): return g(x) * 10\nclass Vocab: pass\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def g(x): return 0\ndef f(): return g(1)", 2),  # lent: in place of its own
        ("def h(x): return 0\ndef f(): return h(1)", 0),  # not lent
        ("import d2lrnn\ndef f(): return d2lrnn.h(1)", 20),
        (
            "from d2lrnn import *\ndef f(): return h(1), sorted(__import__('d2lrnn').__all__)",
            (20, ["Vocab", "g", "h"]),
        ),
        ("from d2lrnn.onehot import g\nimport d2lrnn.text as t\ndef f(): return t.h(1), g(1)", (20, 2)),
        ("import d2lrnn.g\ndef f(): return d2lrnn.g(1)", 2),  # a lesson and its function share a name
        ("from d2lrnn import rnn\ndef f(): return callable(rnn)", True),
    ],
)
def test_lent_functions_are_found_as_d2lrnn_and_in_place_of_its_own(
    jail: Jail, source: str, expected: Any
) -> None:
    reply = ask(jail, source, support=SUPPORT, lent=("g",))
    assert (reply.error, reply.value) == ("", expected)


def test_what_is_not_lent_cannot_be_called(jail: Jail) -> None:
    reply = ask(jail, "from d2lrnn import rnn\ndef f(): return rnn(1)", support=SUPPORT)
    assert (reply.stage, reply.error) == (
        "missing",
        "NotImplementedError: d2lrnn.rnn is not available while it is graded",
    )


def test_the_environment_is_not_ours(jail: Jail) -> None:
    reply = ask(jail, "import os\ndef f(): return dict(os.environ)")
    assert not set(os.environ) & set(reply.value) - {
        "HOME",
        "LC_CTYPE",  # Python's own, where no language is set
        "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY",
        "PYTHONPATH",
    }
    assert "HOME" not in os.environ or reply.value["HOME"] != os.environ["HOME"]


def test_a_call_is_told_how_much_memory_there_is(jail: Jail) -> None:
    source = "import os\ndef f(): return os.sysconf('SC_PHYS_PAGES')"

    assert ask(jail, source).value == os.sysconf("SC_PHYS_PAGES")


def test_only_four_files_are_open(jail: Jail) -> None:
    files = ask(jail, OPEN + "def f(): return FILES").value
    assert files[:3] == [0, 1, 2] and len(files) == 4  # nothing to read, two for prints, one for the answer


RANDOM = """
import random, numpy as np
from mxnet import nd
def f(x): return random.random(), np.random.rand(), nd.random.uniform(shape=2), hash("a")
"""


def test_random_numbers_depend_on_the_question_alone(jail: Jail, minimal: Jail) -> None:
    first = ask(jail, RANDOM, inputs={"x": 1})
    other = ask(jail, RANDOM, inputs={"x": 2})
    assert repr(ask(jail, RANDOM + "# by another author", inputs={"x": 1}).value) == repr(first.value)
    assert repr(ask(minimal, RANDOM, inputs={"x": 1}).value) == repr(first.value)
    assert all(np.all(a != b) for a, b in zip(first.value[:3], other.value[:3]))


def test_a_call_knows_nothing_of_the_one_before(jail: Jail) -> None:
    ask(jail, "import numpy, builtins\nnumpy.sum = builtins.max = None\nopen('left', 'w').close()")
    reply = ask(jail, "import numpy, os\ndef f(): return max(1, 2), int(numpy.sum([1])), os.listdir('.')")
    assert reply.value == (2, 1, [])


TELL = "def drive(s, number): return s.put(number)\n"
HEAR = "def drive(s): return s.get()\n"


@pytest.mark.parametrize("name", names(["b53", "b54", "b55", "b56", "b57", "b58", "b59"]))
def test_a_call_hears_nothing_of_the_one_before(jail: Jail, name: str) -> None:
    if "lacking" in jail.tier:
        pytest.skip(jail.tier)
    source = written(name, {"driven": pickle.dumps({}).hex()}).decode()
    heard = []
    for number in (37, 21, 58):
        ask(jail, source, TELL, inputs={"number": number})
        reply = ask(jail, source, HEAR)
        heard.append((reply.ok, reply.error, reply.value))

    assert heard == heard[:1] * 3


# --- what it leaves behind ---


@same_processes
def test_scratch_is_emptied_however_deep_and_closed(jail: Jail, minimal: Jail) -> None:
    deep = "import os\ndef f():\n    for _ in range(300): os.mkdir('d' * 250, 0o700); os.chdir('d' * 250)\n"
    closed = "import os\ndef f(): os.makedirs('a/b'); open('a/b/c', 'w').close(); os.mkdir('z', 0)"
    for source in (deep, closed):
        for each in (jail, minimal):
            ask(each, source)
            assert ask(each, "import os\ndef f(): return os.listdir('.')").value == []


@pytest.mark.slow
def test_links_in_or_for_scratch_are_not_followed(minimal: Jail, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("of somebody else")
    tmp_path.chmod(0o500)
    link = f"import os\nhere = os.getcwd()\nother = {str(tmp_path)!r}\n"
    assert ask(minimal, link + "def f(): os.symlink(other, 'link')").ok
    taken = "def f():\n os.rename(here, here + '.gone')\n os.symlink(other, here)"
    reply = ask(minimal, link + taken)
    assert reply.ok or "PermissionError" in reply.error  # to another user the folder around it is closed
    assert ask(minimal, "import os\ndef f(): return os.listdir('.')").value == []
    assert os.listdir(tmp_path) == ["work"] and tmp_path.stat().st_mode & 0o777 == 0o500


FLOOD = "def f():\n    for i in range(10**6):\n        open(str(i), 'wb').write(bytes(10**7))"


def test_a_call_may_not_fill_the_disk(minimal: Jail) -> None:
    reply = ask(minimal, FLOOD)
    assert (reply.stage, reply.suspicions) == ("output", ("flooded its scratch directory",))


def test_a_call_with_a_file_system_of_its_own_may_fill_that(jail: Jail) -> None:
    if "namespaces" in jail.tier:
        pytest.skip(jail.tier)
    reply = ask(jail, FLOOD)
    assert (reply.stage, reply.error) == ("call", "OSError: [Errno 28] No space left on device")


FORKS = """
import os, time
def f():
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
"""


@same_processes
def test_processes_that_a_call_leaves_are_killed_and_reported(minimal: Jail) -> None:
    reply = ask(minimal, FORKS)
    assert reply.ok and reply.suspicions == ("left 5 processes behind",)


def test_no_process_can_be_started_where_calls_are_filtered(jail: Jail) -> None:
    if "seccomp" in jail.tier:
        pytest.skip(jail.tier)
    reply = ask(jail, FORKS)
    assert (reply.stage, reply.error) == ("call", "PermissionError: [Errno 1] Operation not permitted")
    fatal = ask(jail, "import ctypes\ndef f(): ctypes.CDLL(None).ptrace(0, 0, 0, 0)")
    assert (fatal.stage, fatal.suspicions) == ("died", ("asked for a forbidden system call",))


@same_processes
def test_the_memory_of_all_processes_is_counted_together(minimal: Jail) -> None:
    hog = "import os, time\ndef f():\n    for _ in range(3): os.fork()\n    x = b'x' * 10**8; time.sleep(60)"
    reply = ask(minimal, hog, memory=1200 * 2**20)
    assert (reply.stage, reply.error) == ("memory", "more than 1200 MB of memory")


@pytest.mark.slow
def test_a_dead_worker_is_replaced(minimal: Jail) -> None:
    reply = ask(minimal, "import os, signal\ndef f(): os.kill(os.getppid(), signal.SIGKILL)")
    assert (reply.stage, reply.suspicions) == ("died", ("killed the worker",))
    assert ask(minimal, "def f(): return 1").value == 1


@pytest.mark.slow
def test_a_stopped_worker_is_replaced(minimal: Jail) -> None:
    source = (
        "import os, signal, time\ndef f():\n    os.kill(os.getppid(), signal.SIGSTOP)\n    time.sleep(60)"
    )
    assert ask(minimal, source, seconds=0.5).stage == "time"
    assert ask(minimal, "def f(): return 1").value == 1


@pytest.mark.slow
def test_an_interrupted_call_does_not_answer_the_next(minimal: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(selectors.DefaultSelector, "select", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(minimal, LOOP)
    assert ask(minimal, "def f(): return 1").value == 1


def test_a_grader_that_may_open_no_more_files_says_so(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", refuse)
        with pytest.raises(JailError, match="Too many open files"):
            ask(jail, "")
    assert ask(jail, "def f(): return 1").value == 1


@pytest.mark.slow
@same_processes
def test_a_closed_jail_leaves_no_process_and_no_folder() -> None:
    jail = Jail("minimal", as_root=True)
    scratch = Path(ask(jail, "import os\ndef f(): return os.getcwd()").value)
    assert scratch.is_dir()
    jail.close()
    assert not scratch.parent.exists()
    jail.close()


# --- tiers ---


@pytest.mark.skipif(os.getuid() != 0, reason="not root")
def test_a_submission_is_not_run_as_root_with_its_files_in_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find(name: str) -> Any:
        return SimpleNamespace(origin=str(closed / "__init__.py")) if name == "requests" else found(name)

    found, closed = importlib.util.find_spec, tmp_path / "requests"
    closed.mkdir()
    tmp_path.chmod(0o700)
    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(JailError, match="only root may enter"):
        Jail("minimal")


def test_an_unknown_isolation_is_refused() -> None:
    with pytest.raises(JailError, match="'paranoid'"):
        Jail("paranoid")


def test_strict_isolation_is_all_or_nothing() -> None:
    with pytest.raises(JailError, match=r"strict.*namespaces"):
        Jail("strict", namespaces=False)


@pytest.mark.slow
def test_the_graders_environment_is_closed_even_to_the_weakest_tier() -> None:
    script = f"""
import os
from d2lrnn.grading.jail import Call, Jail
source = f"def f(): return open('/proc/{{os.getpid()}}/environ').read()"
with Jail("minimal") as jail:
    print(jail.ask(Call(source, {DRIVER!r}, {{}})).error)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        **ordinary_user(),
    )
    assert done.stdout.startswith("PermissionError"), done.stderr


def test_a_warm_call_loads_nothing_and_starts_only_a_child(minimal: Jail) -> None:
    # so that it takes 10 to 25 ms, and not seconds
    worker = "import os, sys\nloaded = 'mxnet' in sys.modules\ndef f(): return [os.getppid(), loaded]"
    first, second = (ask(minimal, worker).value for _ in range(2))
    assert first == second
    assert first[1] is True


def test_large_questions_and_answers_pass(jail: Jail) -> None:
    array = np.arange(2**20, dtype="float64")
    reply = ask(jail, "def f(x): return x[::-1]", inputs={"x": array})
    assert reply.ok and reply.value.tobytes() == array[::-1].tobytes()
    started = time.process_time()  # ours: that of a call has a limit of its own
    assert ask(jail, "def f(x): return [x] * 9", inputs={"x": array}).stage == "wire"
    assert time.process_time() - started < 10
