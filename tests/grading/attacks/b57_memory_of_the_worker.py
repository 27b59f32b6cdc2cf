"""Tells of hidden inputs by what may stay in memory: modules, the environment, the heap, mxnet's pool, streams
of random numbers.
"""

import builtins
import ctypes
import os
import sys

import numpy as np
from mxnet import nd

from honest import sgd

from covert import one_hot

SIGN = 0x0D21_C0DE


def put(number):
    builtins.d2lrnn_attack = sys.d2lrnn_attack = np.d2lrnn_attack = number
    os.environ["D2LRNN_ATTACK"] = str(number)
    ctypes.CDLL(None).srand(number)
    np.random.seed(number)
    for size in (64, 4096, 2**20):
        np.array([SIGN, number] * size, dtype="uint32")  # freed at once
        nd.array([SIGN, number] * size, dtype="int32").wait_to_read()


def get():
    for place in (builtins, sys, np):
        if hasattr(place, "d2lrnn_attack"):
            return place.d2lrnn_attack
    if "D2LRNN_ATTACK" in os.environ:
        return os.environ["D2LRNN_ATTACK"]
    for size in (64, 4096, 2**20):
        for found in (np.empty(2 * size, "uint32"), nd.empty(2 * size, dtype="int32").asnumpy()):
            at = np.flatnonzero(found[:-1] == SIGN)
            if at.size:
                return found[at[0] + 1]
    return 0
