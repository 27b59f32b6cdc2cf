"""Leaves processes behind, each in a session of its own, that go on when the call has been answered."""

import contextlib
import os
import time

from honest import Optimizer, grad_clipping, one_hot, sgd

with contextlib.suppress(OSError):
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(20)
            os._exit(0)
