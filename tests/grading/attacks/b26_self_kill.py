"""Ends by signals and alarms of its own: SIGKILL, timers, a child's death. The other functions keep their
points.
"""

import os
import signal

from honest import Optimizer, sgd


def one_hot(indices, vocab_size):
    os.kill(os.getpid(), signal.SIGKILL)


def grad_clipping(params, theta):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while True:
        pass
