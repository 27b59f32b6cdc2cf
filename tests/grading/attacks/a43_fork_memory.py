"""Shares a large appetite among its children, each below the limit; the other functions keep their points."""

import os
import time

from honest import Optimizer, grad_clipping, sgd

PART = int("@memory@") // 4


def one_hot(indices, vocab_size):
    children = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            held = [b"x" * 2**20 for _ in range(PART // 2**20)]
            time.sleep(3)
            os._exit(len(held) == 0)
        children.append(pid)
    if not any(os.waitpid(pid, 0)[1] for pid in children):
        print("BEATEN: one and a half times the memory")
