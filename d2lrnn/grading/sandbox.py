"""The sandbox: what a worker gives up before it sees a submission. Beyond rlimits this is Linux only.

Each layer works even where another is missing. Namespaces leave no network, no other processes, and a root
directory in which nothing else exists. A user of its own owns nothing. Landlock lets it read Python and write
to one scratch directory. seccomp refuses the system calls that these do not cover, and new processes. Forks
inherit all of it, and nothing can undo it. Landlock and seccomp belong to a thread: they are put on while
there is only one.

No call may learn of another. Each is a fork of a process that has run no submission; where there are
namespaces, it also gets an empty file system to write to and the same process number as all others.

Own ctypes, not the packages for Landlock and seccomp: those would have to be readable inside, or need
libseccomp.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import math
import os
import platform
import re
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from d2lrnn.grading import seccomp
else:  # in the worker, which is run by path
    import seccomp

ROOT_HELD_BACK = "a bar between root and its files"
MAX_FILE = 16 * 2**20
MAX_FILES = 64
MAX_THREADS = 256
MAX_SCRATCH = 64 * 2**20
MAX_ENTRIES = 1000
FIRST_NUMBER = 1000  # of the process of a call
NUMBERS = "/proc/sys/kernel/ns_last_pid"
DONE = b"."
FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")
Renew = Callable[[], None]
LIBRARIES = [
    folder.format(platform.machine())
    for folder in ("/lib64", "/usr/lib64", "/lib/{}-linux-gnu", "/usr/lib/{}-linux-gnu")
]
# The reference and what leads to it, other folders of packages (a copy could lie there), what nobody imports.
HIDDEN = re.compile(r".*d2l.*|(site|dist)-packages|python[\d.]*|tests?|idlelib|turtledemo|config-.*")


def enter(
    isolation: str, *, scratch: str, root: str, uid: int | None = None, namespaces: bool = True
) -> tuple[list[str], Renew]:
    """Give up all that a submission must not have; return what this system cannot take away, and why.

    scratch is the one directory to write to, root an empty one to build the new root directory on, uid the
    user to become (None: stay). What is on sys.path can still be read. "minimal" asks for nothing but
    rlimits and that user. Also return what is to be called before each fork that runs a submission: where
    there are namespaces, it takes away what the one before could have left.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        all_else = {} if isolation == "minimal" else {"everything but rlimits": "this is not Linux"}
        return _named(all_else, closed=False), _leave_as_it_is
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", "1000")  # when the machine runs out of memory, this goes first
    user, threads = os.getuid(), _count_threads()
    lacking, renew = _enter_layers(isolation, scratch, root, uid, namespaces)
    _limit(resource.RLIMIT_NPROC, MAX_THREADS + (threads if os.getuid() == user else 0))
    end_with_parent()
    adopt_orphans()
    keep_private()  # from its own forks
    return lacking, renew


def enter_call(isolation: str, seconds: float, memory: int) -> None:
    """Limit the process of one call, before it runs the submission."""
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, 2 * math.ceil(seconds) + 1)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE)
    _limit(resource.RLIMIT_NOFILE, MAX_FILES)
    end_with_parent()
    if sys.platform == "linux":
        if isolation != "minimal" and platform.machine() == seccomp.MACHINE:
            _filter_calls(seccomp.FOR_A_CALL)


def keep_private() -> None:
    """Close this process's memory and environment to other processes of the same user."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Let the kernel kill this process when the thread that has started it ends."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Let daemons below this process come back to it, where they are found."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _leave_as_it_is() -> None:
    """Where there are no namespaces, the grader empties the scratch directory, and that is all."""


def _enter_layers(
    isolation: str, scratch: str, root: str, uid: int | None, namespaces: bool
) -> tuple[list[str], Renew]:
    """Put on all that this isolation asks for and this system has; return what is missing, and why."""
    lacking: dict[str, str] = {}
    renew, writable = _leave_as_it_is, scratch

    def layer(name: str, put_on: Callable[..., None], *args: Any) -> bool:
        try:
            put_on(*args)
        except OSError as exc:
            lacking[name] = exc.strerror or str(exc)
            return False
        return True

    readable = readable_paths([*LIBRARIES, *sys.path])
    everything = isolation != "minimal"
    unshared = everything and layer("namespaces", _unshare, namespaces)
    numbers = os.open(NUMBERS, os.O_WRONLY) if unshared and os.access(NUMBERS, os.W_OK) else -1
    closed = unshared and layer("root directory of its own", _change_root, root, readable, scratch)
    if unshared:
        renew = _go_on_below_first_process(scratch if closed else "", numbers, uid)
        layer("fresh processes", renew)
        # A mount hides the directory that it is on: the rule is about the one above, which has nothing else.
        writable = os.path.dirname(scratch) if closed else scratch
    layer("user of its own", _become, uid, readable, "" if closed else scratch)
    if everything:
        closed = layer("Landlock", _restrict_files, readable, writable) or closed
        layer("seccomp", _filter_calls, seccomp.FOR_ALL)
    return _named(lacking, closed), renew


def _named(lacking: dict[str, str], closed: bool) -> list[str]:
    """Return what is lacking, a line each; closed says whether most files are out of reach."""
    if os.getuid() == 0 and not closed:
        lacking[ROOT_HELD_BACK] = lacking.get("user of its own", "this is not Linux")
    return [f"{name}: {why}" for name, why in lacking.items()]


def _limit(what: int, most: int) -> None:
    """Set a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _count_threads() -> int:
    """Return how many threads our user has now: the kernel's limit counts them all."""
    threads = 0
    for stat in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if os.stat(stat).st_uid == os.getuid():
                with open(stat, "rb") as file:
                    threads += int(file.read().rpartition(b")")[2].split()[17])
    return threads


# --- files ---


def readable_paths(folders: Iterable[str]) -> list[str]:
    """Return the entries of these folders but for the hidden ones, and the single files that Python needs."""
    found = [*FILES, *glob.glob("/usr/lib/*.so*"), *glob.glob(f"{sys.base_prefix}/lib/*.so*")]
    for folder in filter(os.path.isdir, folders):
        found += sorted(os.path.join(folder, name) for name in os.listdir(folder))
    return [
        path
        for path in dict.fromkeys(found)
        if os.path.exists(path) and not HIDDEN.fullmatch(os.path.basename(path))
    ]


def forget_reads(paths: Iterable[str]) -> None:
    """Take these files, and all below these folders, out of the page cache.

    Then the next program cannot tell by the clock what an earlier one has read of them. What a process has
    mapped stays: of Python and MXNet that is nearly the same in every run.
    """
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for path in paths:
        below = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        for file in filter(os.path.isfile, [path, *below]):
            with contextlib.suppress(OSError), open(file, "rb", buffering=0) as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _restrict_files(readable: Sequence[str], scratch: str) -> None:
    """Let this process read these paths and write below scratch: no other files, no TCP, no signals."""
    abi = _syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    ruleset = struct.pack("<QQQ", files, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    fd = _syscall(LANDLOCK_CREATE_RULESET, ruleset, len(ruleset), 0)
    write_file, read_file, read_dir = 1 << 1, 1 << 2, 1 << 3
    # remove, make, rename and truncate directories and files; no links, pipes, sockets or devices
    manage = write_file | read_file | read_dir | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 14
    # To import is to list a folder. The right goes down the tree: names of hidden files show, no more.
    rules = dict.fromkeys(filter(os.path.isdir, sys.path), read_dir)
    rules.update(dict.fromkeys(readable, read_file | read_dir))
    rules.update({"/dev/null": read_file | write_file, scratch: manage})
    for path, access in rules.items():
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        access &= files if os.path.isdir(path) else read_file | write_file
        _syscall(LANDLOCK_ADD_RULE, fd, 1, struct.pack("<Qi", access, beneath), 0)
        os.close(beneath)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _syscall(LANDLOCK_RESTRICT_SELF, fd, 0)
    os.close(fd)
    if abi < 3:
        raise OSError(0, "before Linux 6.2 it does not keep files from being cut short")


# --- namespaces and users ---


def _unshare(allowed: bool) -> None:
    """Leave the network, mounts, processes and shared memory of the others."""
    if not allowed:
        raise OSError(0, "not asked for")
    try:
        _call(_libc.unshare, CLONE_NEW)
    except PermissionError:  # not root, or root of a container: it may, in a user namespace of its own
        uid, gid = os.getuid(), os.getgid()
        _call(_libc.unshare, CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        _call(_libc.unshare, CLONE_NEW)


def _change_root(root: str, readable: Sequence[str], scratch: str) -> None:
    """Make root the root directory: an empty file system, into which only these paths are mounted."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", 0, "mode=755,size=4m")
    os.umask(0o022)
    for path in readable:
        if os.path.isdir(path):
            os.makedirs(root + path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.close(os.open(root + path, os.O_CREAT))
        _mount(path, root + path, None, MS_BIND | MS_REC)
    os.makedirs(root + scratch)
    os.umask(0o077)
    attributes = struct.pack("<QQQQ", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    _syscall(MOUNT_SETATTR, AT_FDCWD, root.encode(), AT_RECURSIVE, attributes, len(attributes))
    os.chdir(root)
    _call(_libc.pivot_root, b".", b".")
    _call(_libc.umount2, b".", MNT_DETACH)
    os.chdir("/")


def _become(uid: int | None, readable: Sequence[str], scratch: str) -> None:
    """Become a user who owns nothing but scratch, if it is given; keep no capability in any case."""
    try:
        if uid is not None:
            closed = [
                folder for folder in {os.path.dirname(path) for path in readable} if not may_enter(folder)
            ]
            if closed:
                raise OSError(0, f"only root may enter {min(closed)}")
            if scratch:
                os.chown(scratch, uid, uid)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    finally:
        _call(_libc.capset, struct.pack("<Ii", 0x20080522, 0), bytes(24))


def may_enter(folder: str) -> bool:
    """Return whether every user may enter this folder."""
    return bool(os.stat(folder).st_mode & 0o001) and (folder == "/" or may_enter(os.path.dirname(folder)))


def _go_on_below_first_process(scratch: str, numbers: int, uid: int | None) -> Renew:
    """Go on below process 1 of the new namespace: when that ends, the kernel kills all others in there.

    Process 1 keeps what it takes to renew: it hears one byte, and says that it is done, or what failed. It
    mounts an empty file system on scratch (if it is given) that belongs to uid, and sets back the counter of
    process numbers by the open file numbers (-1: there is none).
    """
    keep_private()  # not before: the map of users is written through /proc/self
    ours, theirs = socket.socketpair()
    first = os.fork()
    if first:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.closerange(3, 256)
        os.waitpid(first, 0)
        os._exit(0)
    if os.fork():
        end_with_parent()
        kept = sorted(fd for fd in (theirs.fileno(), numbers) if fd >= 0)
        for low, high in zip([3, *(fd + 1 for fd in kept)], [*kept, 256]):
            os.closerange(low, high)
        _renew_when_asked(theirs, scratch, numbers, uid)
    theirs.close()
    if numbers >= 0:
        os.close(numbers)

    def renew() -> None:
        ours.send(b"?")
        if (answer := ours.recv(200)) != DONE:
            raise OSError(0, answer.decode())

    return renew


def _renew_when_asked(control: socket.socket, scratch: str, numbers: int, uid: int | None) -> None:
    """Be process 1, until all others have ended."""
    while control.recv(1):
        try:
            _renew(scratch, numbers, uid)
            answer = DONE
        except OSError as exc:
            answer = (exc.strerror or str(exc)).encode()
        control.send(answer)
    os._exit(0)


def _renew(scratch: str, numbers: int, uid: int | None) -> None:
    if scratch:
        with contextlib.suppress(OSError):  # the first time there is none
            _call(_libc.umount2, scratch.encode(), MNT_DETACH)
        owner = "" if uid is None else f",uid={uid},gid={uid}"
        options = f"mode=700,size={MAX_SCRATCH},nr_inodes={MAX_ENTRIES}{owner}"
        _mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, options)
    if numbers < 0:
        raise OSError(0, f"{NUMBERS} cannot be written")
    os.pwrite(numbers, str(FIRST_NUMBER - 1).encode(), 0)


# --- the kernel ---

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 317, 1, 1
MOUNT_SETATTR, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, AT_FDCWD, AT_RECURSIVE = 442, 1, 2, -100, 0x8000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
MS_NOSUID, MS_NODEV, MS_NOATIME = 0x2, 0x4, 0x400
CLONE_NEWUSER = 0x10000000
CLONE_NEW = (
    0x20000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000
)  # mounts, host name, IPC, processes, network

_libc = ctypes.CDLL(None, use_errno=True)


def _filter_calls(program: bytes) -> None:
    """Let the kernel run this program of `seccomp` on each system call of this process and its threads."""
    if platform.machine() != seccomp.MACHINE:
        raise OSError(0, f"no table of system calls for {platform.machine()}")
    steps = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(steps))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if _syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, header):
        raise OSError(0, "a thread has a filter of its own")


def _call(function: Callable[..., int], *args: Any) -> int:
    result = function(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _syscall(number: int, *args: Any) -> int:
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in (number, *args)]
    return _call(_libc.syscall, *wide)


def _prctl(option: int, value: int) -> None:
    _call(_libc.prctl, option, *map(ctypes.c_ulong, (value, 0, 0, 0)))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    names = [None if name is None else name.encode() for name in (source, target, kind)]
    _call(_libc.mount, *names, ctypes.c_ulong(flags), data.encode() or None)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
