"""Remembers in, or spoils, open files that it shares with its parent: flags, offsets, owners, sizes,
locks.
"""

import contextlib
import fcntl
import os

from honest import Optimizer, one_hot

for fd in range(256):
    with contextlib.suppress(OSError):
        if fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ASYNC | os.O_APPEND):
            print("BEATEN: remembered in the flags of", fd)
        if os.lseek(fd, 0, os.SEEK_CUR) == 12345:
            print("BEATEN: remembered in the offset of", fd)
for fd in range(256):
    for act in (
        lambda fd: fcntl.fcntl(
            fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK | os.O_APPEND
        ),
        lambda fd: fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC),
        lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid()),
        lambda fd: fcntl.fcntl(fd, 1031, 4096),  # F_SETPIPE_SZ
        lambda fd: fcntl.fcntl(fd, fcntl.F_SETSIG, 9),
        lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
        lambda fd: os.ftruncate(fd, 0),
        lambda fd: os.lseek(fd, 12345, os.SEEK_SET),
    ):
        with contextlib.suppress(OSError, ValueError):
            act(fd)
