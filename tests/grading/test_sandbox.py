"""What a worker cannot do once it has locked itself up: tried by a small process that does so."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from d2lrnn.grading import sandbox, seccomp

import pytest

from audits.arena import NOBODY, LackingError, as_user

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made for Linux")
x86_64 = pytest.mark.skipif(platform.machine() != seccomp.MACHINE, reason="no table of system calls")
GRADING = Path(sandbox.__file__).parent

# --- the filter, as the kernel would run it ---

X86_64, I386 = 0xC000003E, 0x40000003
NUMBERS = {**seccomp.REFUSED, **seccomp.FATAL, **seccomp.OTHERS}


def run_filter(program: bytes, number: int, *arguments: int, architecture: int = X86_64) -> int:
    """Run a filter as seccomp(2) describes it, on a call that the kernel would show to it."""
    data = struct.pack("<II8x6Q", number, architecture, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, operand = steps[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        else:
            test = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: accumulator & operand}
            at += yes if test[code] else no


@pytest.mark.parametrize("name", seccomp.REFUSED)
def test_a_refused_call_is_an_error(name: str) -> None:
    assert run_filter(seccomp.FOR_ALL, seccomp.REFUSED[name]) == seccomp.EPERM


@pytest.mark.parametrize("name", seccomp.FATAL)
def test_a_fatal_call_kills(name: str) -> None:
    assert run_filter(seccomp.FOR_ALL, seccomp.FATAL[name]) == seccomp.KILL


@pytest.mark.parametrize(
    ("name", "arguments", "first", "second"),
    [
        ("read", (), seccomp.ALLOW, seccomp.ALLOW),
        ("clone3", (), seccomp.ENOSYS, seccomp.ALLOW),
        ("fork", (), seccomp.ALLOW, seccomp.EPERM),
        ("vfork", (), seccomp.ALLOW, seccomp.EPERM),
        ("clone", (17,), seccomp.ALLOW, seccomp.EPERM),  # what fork() makes of it: SIGCHLD
        ("clone", (0x3D0F00,), seccomp.ALLOW, seccomp.ALLOW),  # a thread
        ("clone", (0x10000000 | 17,), seccomp.EPERM, seccomp.EPERM),  # CLONE_NEWUSER
        ("prlimit64", (0, 7), seccomp.ALLOW, seccomp.ALLOW),
        ("prlimit64", (1234, 7), seccomp.EPERM, seccomp.ALLOW),
        ("fcntl", (3, 1030), seccomp.ALLOW, seccomp.ALLOW),  # F_DUPFD_CLOEXEC
        ("fcntl", (3, 8, 1234), seccomp.EPERM, seccomp.ALLOW),  # F_SETOWN
        ("ioctl", (0, 0x5401), seccomp.ALLOW, seccomp.ALLOW),  # TCGETS: isatty()
        ("ioctl", (0, 0x5412), seccomp.EPERM, seccomp.ALLOW),  # TIOCSTI
        ("ioctl", (3, 0x40086602), seccomp.EPERM, seccomp.ALLOW),  # FS_IOC_SETFLAGS
        ("prctl", (1, 0), seccomp.ALLOW, seccomp.EPERM),  # PR_SET_PDEATHSIG
        ("prctl", (67, 1), seccomp.EPERM, seccomp.ALLOW),  # PR_SET_MEMORY_MERGE
        ("fcntl", (3, 1026, 1), seccomp.EPERM, seccomp.ALLOW),  # F_NOTIFY
        ("madvise", (0, 4096, 4), seccomp.ALLOW, seccomp.ALLOW),  # MADV_DONTNEED
        ("madvise", (0, 4096, 12), seccomp.EPERM, seccomp.ALLOW),  # MADV_MERGEABLE
        ("madvise", (0, 4096, 21), seccomp.EPERM, seccomp.ALLOW),  # MADV_PAGEOUT
        ("sysinfo", (), seccomp.ALLOW, seccomp.EPERM),
        ("statfs", (), seccomp.ALLOW, seccomp.EPERM),
        ("prctl", (15, 0), seccomp.ALLOW, seccomp.ALLOW),  # PR_SET_NAME
    ],
)
def test_a_call_is_judged_by_its_arguments(
    name: str, arguments: tuple[int, ...], first: int, second: int
) -> None:
    number = NUMBERS.get(name, 0)
    assert run_filter(seccomp.FOR_ALL, number, *arguments) == first
    assert run_filter(seccomp.FOR_A_CALL, number, *arguments) == second


@pytest.mark.parametrize("program", [seccomp.FOR_ALL, seccomp.FOR_A_CALL])
def test_numbers_that_mean_something_else_do_not_slip_through(program: bytes) -> None:
    assert run_filter(program, 39, architecture=I386) == seccomp.KILL
    assert run_filter(program, 0x40000000 + 39) == seccomp.KILL  # x32
    assert run_filter(program, 462) == seccomp.ENOSYS
    assert run_filter(program, 2**31) == seccomp.KILL


@x86_64
def test_the_numbers_are_those_of_the_kernel() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    known = {
        name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())
    }
    assert {name: number for name, number in NUMBERS.items() if name in known} == {
        name: known[name] for name in NUMBERS if name in known
    }
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert len(NUMBERS.keys() & known.keys()) > 100


# --- the paths ---


def test_the_reference_is_not_among_the_readable_paths(tmp_path: Path) -> None:
    hidden = ["d2l", "d2lrnn", "d2lrnn-0.1.0.dist-info", "_d2lrnn.pth", "python3.13", "test", "idlelib"]
    for name in ["numpy", "mxnet", "pythonjsonlogger", "site-packages", "dist-packages", *hidden]:
        (tmp_path / name).mkdir()
    found = {
        Path(path).name for path in sandbox.readable_paths([str(tmp_path)]) if tmp_path in Path(path).parents
    }
    assert found == {"numpy", "mxnet", "pythonjsonlogger"}


# --- a process that locks itself up ---

ATTEMPTS = r"""
import ctypes, os, resource, signal, socket, tempfile, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    if libc.syscall(number, *args) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def write(path):
    open(path, "w").close()
def thread():
    started = threading.Thread(target=int); started.start(); started.join()
def write_scratch():
    with open("a", "w") as file: file.write("x")
    os.mkdir("b"); os.replace("a", "b/c"); os.unlink("b/c"); os.rmdir("b")
ALLOWED = {
    "import what was not yet imported": lambda: __import__("colorsys"),
    "read random numbers": lambda: open("/dev/urandom", "rb").read(4),
    "throw output away": lambda: open("/dev/null", "w").write("x"),
    "write to scratch": write_scratch,
    "limit itself": lambda: resource.setrlimit(resource.RLIMIT_CPU, (15, 15)),
    "start a thread": thread,
}
FORBIDDEN = {
    "read a file of the system": lambda: open("/etc/passwd").read(),
    "read the reference": lambda: open(REFERENCE).read(),
    "read what is private": lambda: open(os.path.dirname(SCRATCH) + "/private").read(),
    "list the root": lambda: os.listdir("/") and os.listdir("/etc"),
    "look at processes": lambda: open("/proc/self/environ").read(),
    "look at its parent": lambda: os.listdir(f"/proc/{os.getppid()}"),
    "write to the temporary folder": lambda: write(SCRATCH + "/../../planted"),
    "write beside a module": lambda: write(os.path.join(os.path.dirname(os.__file__), "planted.py")),
    "cut a module short": lambda: os.truncate(os.__file__, 0),
    "make a link": lambda: os.symlink("/etc", "etc"),
    "make a hard link": lambda: os.link(os.__file__, "os.py"),
    "make a pipe with a name": lambda: os.mkfifo("pipe"),
    "change a mode": lambda: os.chmod(".", 0o777),
    "change a time": lambda: os.utime(".", (0, 0)),
    "set an attribute": lambda: os.setxattr(".", "user.x", b"x"),
    "open a socket": lambda: socket.socket(),
    "open a local socket": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
    "signal its parent": lambda: os.kill(os.getppid(), 0),
    "signal all": lambda: os.kill(-1, signal.SIGCONT),
    "signal by a file": lambda: __import__("fcntl").fcntl(1, 8, os.getppid()),
    "limit its parent": lambda: resource.prlimit(os.getppid() or 1, resource.RLIMIT_CPU, (1, 1)),
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)),
    "raise its memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40)),
    "use more memory": lambda: bytearray(2**31),
    "write a large file": lambda: open("large", "wb").write(bytes(17 * 2**20)),
    "open many files": lambda: [open("/dev/null") for _ in range(100)],
    "fork": os.fork,
    "start a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "become somebody else": lambda: os.setuid(os.getuid() ^ 1),
    "hide a file in memory": lambda: os.memfd_create("x"),
    "share memory": lambda: call(29, 1, 4096, 0o1600),
    "be favoured": lambda: os.nice(-1),
    "choose a processor": lambda: os.sched_setaffinity(0, {0}),
    "outlive its parent": lambda: libc.prctl(1, 0) and call(157, 1, 0),
    "read only what is in memory": lambda: os.preadv(os.open(os.__file__, os.O_RDONLY), [bytearray(9)], 0, 8),
    "put a file out of memory": lambda: os.posix_fadvise(os.open(os.__file__, os.O_RDONLY), 0, 0, 4),
    "wait for all disks": lambda: call(162),
    "see how much is free": lambda: os.statvfs("."),
    "see how full the machine is": lambda: call(99, ctypes.create_string_buffer(200)),
}
"""
SCRIPT = r"""
import json, os, sys
settings = json.loads(sys.argv[1])
sys.path[0] = settings.pop("grading")
only, REFERENCE, SCRATCH = settings.pop("only"), settings.pop("reference"), settings["scratch"]
import sandbox
sys.path[:1] = settings.pop("path")
exec(settings.pop("pretend"))
lacking, renew = sandbox.enter(**settings)
os.chdir(SCRATCH)
sandbox.enter_call(settings["isolation"], 10, 2**30)
exec(sys.stdin.read())
def fared(attempt):
    try:
        attempt()
    except (OSError, MemoryError, ValueError) as exc:
        return type(exc).__name__
    return "done"
def fare(table):
    return {name: fared(table[name]) for name in table if name in (only or table)}
print(json.dumps([lacking, fare(ALLOWED), fare(FORBIDDEN)]))
"""
BY_RLIMITS = ("use more memory", "write a large file", "open many files")


def ordinary_user() -> dict[str, Any]:
    """Return what makes subprocess start something as an ordinary user, or skip the test."""
    try:
        return as_user(NOBODY)
    except LackingError as error:
        pytest.skip(str(error))


def lock_up(
    isolation: str,
    *,
    root: bool,
    namespaces: bool = False,
    only: tuple[str, ...] = (),
    path: tuple[Path, ...] = (),
    pretend: str = "",
) -> Any:
    """Return what a process lacks that has locked itself up, and how it then fared with each attempt.

    path is put on its sys.path, and pretend is code that makes the system look like another.
    """
    if root and os.getuid():
        pytest.skip("not root")
    user = {} if root else ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="d2lrnn-test-"))
    folder.chmod(0o711)
    for name in ("scratch", "root"):
        (folder / name).mkdir()
        os.chown(folder / name, user.get("user", -1), -1)
    (folder / "private").touch(0o600)
    settings = {
        "grading": str(GRADING),
        "reference": str(GRADING.parent / "rnn.py"),
        "only": only,
        "path": [str(folder) for folder in path],
        "pretend": pretend,
        "isolation": isolation,
        "scratch": str(folder / "scratch"),
        "root": str(folder / "root"),
        "uid": 2**30 + 1 if root else None,
        "namespaces": namespaces,
    }
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", SCRIPT, json.dumps(settings)],
        input=ATTEMPTS,
        capture_output=True,
        text=True,
        env={},
        timeout=60,
        **user,
    )
    assert done.returncode == 0, done.stderr
    assert list((folder / "scratch").iterdir()) in ([], [folder / "scratch/large"])
    shutil.rmtree(folder)
    return json.loads(done.stdout)


@linux
@x86_64
@pytest.mark.parametrize("namespaces", [True, False])
@pytest.mark.parametrize("root", [True, False])
def test_a_locked_up_process_can_compute_and_nothing_else(root: bool, namespaces: bool) -> None:
    lacking, allowed, forbidden = lock_up("best", root=root, namespaces=namespaces)
    layers = {text.partition(":")[0] for text in lacking}
    if namespaces and "namespaces" in layers:
        pytest.skip(f"no namespaces here: {lacking}")
    if layers & {"Landlock", "seccomp"}:
        pytest.skip(f"not to be had here: {lacking}")
    assert [name for name, fared in allowed.items() if fared != "done"] == []
    assert [name for name, fared in forbidden.items() if fared == "done"] == []
    assert ("namespaces" in layers) is not namespaces


@linux
@x86_64
@pytest.mark.parametrize("root", [True, False])
def test_where_process_numbers_cannot_be_set_back_that_is_named_and_the_rest_in_force(root: bool) -> None:
    lacking, allowed, forbidden = lock_up(
        "best", root=root, namespaces=True, pretend="sandbox.NUMBERS = '/nowhere'"
    )
    if "namespaces" in "; ".join(lacking):
        pytest.skip(f"no namespaces here: {lacking}")
    assert "fresh processes: /nowhere cannot be written" in lacking
    assert set(allowed.values()) == {"done"} and "done" not in forbidden.values()


def test_minimal_isolation_has_limits_and_names_nothing_as_lacking() -> None:
    lacking, allowed, forbidden = lock_up("minimal", root=False, only=BY_RLIMITS)
    assert lacking == [] and allowed == {}
    assert forbidden.keys() == set(BY_RLIMITS) and "done" not in forbidden.values(), forbidden


@linux
def test_where_there_are_no_namespaces_their_lack_is_named_with_its_reason() -> None:
    lacking, _, _ = lock_up("best", root=False, only=("write a large file",))
    assert lacking[0] == "namespaces: not asked for"


@linux
def test_on_another_machine_the_lack_of_seccomp_is_named_and_the_rest_in_force() -> None:
    files = ("read the reference", "write beside a module", "look at its parent", *BY_RLIMITS)
    another = "import platform; platform.machine = lambda: 'riscv64'"
    lacking, _, forbidden = lock_up("best", root=False, namespaces=True, only=files, pretend=another)
    if "Landlock" in "; ".join(lacking):
        pytest.skip(f"not to be had here: {lacking}")
    assert lacking[-1] == "seccomp: no table of system calls for riscv64"
    assert forbidden.keys() == set(files) and "done" not in forbidden.values(), forbidden


def test_on_another_system_there_are_rlimits_and_the_rest_is_named() -> None:
    lacking, _, forbidden = lock_up("best", root=False, only=BY_RLIMITS, pretend="sys.platform = 'darwin'")
    assert lacking == ["everything but rlimits: this is not Linux"]
    assert "done" not in forbidden.values()


# --- root ---

# As where Python is the system's own; but perhaps it is not, so what is needed later is imported here.
OPEN = "import ctypes, resource, signal, socket, tempfile, threading; sandbox.may_enter = lambda folder: True"


@linux
@pytest.mark.parametrize("isolation", ["best", "minimal"])
def test_root_becomes_a_user_of_its_own(isolation: str) -> None:
    lacking, _, forbidden = lock_up(isolation, root=True, only=("read what is private",), pretend=OPEN)
    assert "user of its own" not in "; ".join(lacking)
    assert forbidden == {"read what is private": "PermissionError"}


@linux
@x86_64
def test_a_python_that_only_root_may_enter_is_named_and_landlock_closes_the_rest(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "package").mkdir()
    lacking, allowed, forbidden = lock_up("best", root=True, path=(tmp_path,))
    if {"Landlock", "seccomp"} & {text.partition(":")[0] for text in lacking}:
        pytest.skip(f"not to be had here: {lacking}")
    assert lacking[0] == "namespaces: not asked for"
    assert lacking[1].startswith("user of its own: only root may enter /") and len(lacking) == 2
    assert set(allowed.values()) == {"done"} and "done" not in forbidden.values(), forbidden


@pytest.mark.parametrize(
    ("isolation", "pretend"),
    [("minimal", ""), ("best", "sys.platform = 'darwin'"), ("minimal", "sys.platform = 'darwin'")],
)
def test_root_whose_files_stay_in_reach_is_named(isolation: str, pretend: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "package").mkdir()
    reach = ("read what is private",)
    lacking, _, forbidden = lock_up(isolation, root=True, only=reach, path=(tmp_path,), pretend=pretend)
    assert lacking[-1].startswith(f"{sandbox.ROOT_HELD_BACK}: ")
    assert forbidden == {"read what is private": "done"}
