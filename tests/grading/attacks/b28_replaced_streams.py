"""Puts objects that raise, block and lie in the place of stdout, stderr and their buffers; is right
otherwise.
"""

import os
import sys

from honest import Optimizer, grad_clipping, one_hot, sgd


class Trap:
    def __getattribute__(self, name):
        raise ValueError(name)


sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Trap()
sys.stdin = None
os.close(1)
os.close(2)
