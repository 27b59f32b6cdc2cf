"""Control: an error in one function does not hide the others."""

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    return 1 / 0
