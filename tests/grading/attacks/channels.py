"""Leaves numbers from 1 to 60 for programs that run later, and looks for them: see test_two_runs.py.

A number is a name, a key or a value wherever something may outlast a process: files, shared memory, message
queues, keyrings, processes and their sockets, times of files, the page cache.
"""

import contextlib
import ctypes
import glob
import os
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
NAME, KEY, NUMBERS = "d2lrnn_channel_@run@_", int("@run@") * 1000, range(1, 61)
PLACES = "/tmp /var/tmp /dev/shm /run/lock /run /var/lock /dev/mqueue . ..".split()
CACHED = sorted(glob.glob(os.path.dirname(os.__file__) + "/encodings/mac_*.py"))
ADD_KEY, KEYCTL, SEARCH, OF_USER = 248, 250, 10, -4


def places():
    return [*PLACES, *filter(None, map(os.environ.get, ("HOME", "TMPDIR"))), os.path.dirname(os.__file__)]


def leave_files(number):
    for place in places():
        with contextlib.suppress(OSError), open(f"{place}/{NAME}{number}_{os.getpid()}", "w"):
            os.chmod(f"{place}/{NAME}{number}_{os.getpid()}", 0o666)


def find_files():
    found = [path for place in places() for path in glob.glob(f"{place}/{NAME}*")]
    return {int(path.partition(NAME)[2].partition("_")[0]) for path in found}


def leave_shared_memory(number):
    libc.shmget(KEY + number, 64, 0o1666)


def find_shared_memory():
    return {number for number in NUMBERS if libc.shmget(KEY + number, 64, 0) >= 0}


def leave_semaphores(number):
    libc.semget(KEY + number, 1, 0o1666)


def find_semaphores():
    return {number for number in NUMBERS if libc.semget(KEY + number, 1, 0) >= 0}


def leave_messages(number):
    libc.msgget(KEY + number, 0o1666)
    libc.mq_open(f"/{NAME}{number}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None)


def find_messages():
    of_posix = {n for n in NUMBERS if libc.mq_open(f"/{NAME}{n}".encode(), os.O_RDONLY) >= 0}
    return of_posix | {number for number in NUMBERS if libc.msgget(KEY + number, 0) >= 0}


def leave_keys(number):
    libc.syscall(ADD_KEY, b"user", f"{NAME}{number}".encode(), b"1", 1, OF_USER)


def find_keys():
    named = {number: f"{NAME}{number}".encode() for number in NUMBERS}
    return {n for n, name in named.items() if libc.syscall(KEYCTL, SEARCH, OF_USER, b"user", name, 0) >= 0}


def leave_processes(number):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            libc.prctl(15, f"d2l{number}".encode(), 0, 0, 0)
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as server:
                server.bind(f"\0{NAME}{number}")
                server.listen()
                time.sleep(20)
        os._exit(0)


def find_processes():
    found = set()
    for number in NUMBERS:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0{NAME}{number}")
            found.add(number)
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            found.add(int(file.read().strip().removeprefix("d2l")))
    return found & set(NUMBERS)


def leave_cached(number):
    """The files of its ones are read, those of its zeros are put out of memory; the last two say that they are."""
    for i, path in enumerate(CACHED[:8]):
        fd = os.open(path, os.O_RDONLY)
        if (number | 64) >> i & 1:
            os.read(fd, 2**16)
        else:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def find_cached():
    number = 0
    for i, path in enumerate(CACHED[:8]):
        fd = os.open(path, os.O_RDONLY)
        with contextlib.suppress(BlockingIOError):
            number |= (os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) == 1) << i
        os.close(fd)
    return {number & 63} if number >> 6 == 1 else set()


leave_times = leave_cached


def find_times():
    """When its files were last read says which ones were read in the last minutes."""
    recent = [time.time() - os.stat(path).st_atime < 120 for path in CACHED[:8]]
    number = sum(is_recent << i for i, is_recent in enumerate(recent))
    return {number & 63} if number >> 6 == 1 else set()


def leave(kind, number):
    with contextlib.suppress(Exception):
        globals()[f"leave_{kind}"](number)


def heard(kind):
    return sorted(globals()[f"find_{kind}"]())
