"""Dies of a signal that has no name, and ends with an exit code out of the ordinary; the others keep their
points.
"""

import contextlib
import os
import signal

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    for strike in (signal.raise_signal, lambda number: os.kill(os.getpid(), number)):
        with contextlib.suppress(OSError):
            strike(40)
    os._exit(-1)
