"""Prints without end; the other functions keep their points."""

import sys

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    for _ in range(4096):  # 256 MB
        sys.stdout.write("flood " * 10923)
        sys.stderr.write("FLOOD ")
    print("BEATEN: all of it was taken")
