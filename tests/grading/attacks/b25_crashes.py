"""Crashes the interpreter: null pointers, an endless C stack, abort; the other functions keep their
points.
"""

import ctypes
import faulthandler
import os
import sys

from honest import Optimizer, sgd


def one_hot(indices, vocab_size):
    ctypes.string_at(0)


def grad_clipping(params, theta):
    if len(params) % 2:
        os.abort()
    sys.setrecursionlimit(10**9)
    faulthandler.disable()

    def down(n):
        return [down(n + 1)]

    return down(0)
