"""Tells of hidden inputs by locks on a file of Python, which processes and threads hold that try to stay."""

import contextlib
import fcntl
import os
import struct
import threading
import time

from honest import sgd

from covert import one_hot

LOCK = "hhqqi4x"  # type, whence, start, length, process


def hold(number):
    fd = os.open(os.__file__, os.O_RDONLY)
    fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack(LOCK, fcntl.F_RDLCK, 0, number, 1, 0))
    time.sleep(30)


def put(number):
    threading.Thread(target=hold, args=[number], daemon=True).start()
    with contextlib.suppress(OSError):
        if os.fork() == 0:
            os.setsid()
            hold(number)


def get():
    fd = os.open(os.__file__, os.O_RDONLY)
    found = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(LOCK, fcntl.F_WRLCK, 0, 1, 60, 0))
    kind, _, start, _, _ = struct.unpack(LOCK, found)
    return 0 if kind == fcntl.F_UNLCK else start
