"""Keeps what is lent for one function until another one is graded: in files, memory, environment, modules.

The optimizer is graded with sgd lent to it. Who can remember that until sgd is graded, gets its points.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from honest import one_hot

PLACES = ["/tmp", "/var/tmp", "/dev/shm", "@outside@", "@outside@/results"]
libc = ctypes.CDLL(None)


def remember():
    Path("d2lrnn_attack_memory").write_text("sgd", encoding="utf-8")  # here it may write, but not for long
    for place in PLACES:
        with contextlib.suppress(OSError):
            Path(place, "d2lrnn_attack_memory").write_text("sgd", encoding="utf-8")
            print("BEATEN: remembers in", place)
    for name, made, remove in (  # all of these stay when their maker is gone: what is made here, is removed
        ("System V memory", libc.shmget(0xD21, 64, 0o1666), lambda i: libc.shmctl(i, 0, None)),
        ("System V messages", libc.msgget(0xD21, 0o1666), lambda i: libc.msgctl(i, 0, None)),
        ("System V semaphores", libc.semget(0xD21, 1, 0o1666), lambda i: libc.semctl(i, 0, 0, None)),
        (
            "a message queue",
            libc.mq_open(b"/d2lrnn_attack", 0o102, 0o666, None),
            lambda i: libc.mq_unlink(b"/d2lrnn_attack"),
        ),
        (
            "a keyring",
            libc.syscall(248, b"user", b"d2lrnn_attack", b"sgd", 3, -4),
            lambda i: libc.syscall(250, 3, i),
        ),
    ):
        if made >= 0:
            print("BEATEN: remembers in", name)
            remove(made)
    os.environ["D2LRNN_ATTACK_MEMORY"] = "sgd"
    sys.d2lrnn_attack = sys.modules["d2lrnn_attack"] = sgd
    import numpy

    numpy.d2lrnn_attack = sgd


def Optimizer(name, params, lr):
    remember()
    raise ValueError("only remembers")


def sgd(params, lr):
    raise NotImplementedError


if (
    os.path.exists("d2lrnn_attack_memory")
    or hasattr(sys, "d2lrnn_attack")
    or "D2LRNN_ATTACK_MEMORY" in os.environ
):
    print("BEATEN: it remembers")
    sgd = sys.d2lrnn_attack
