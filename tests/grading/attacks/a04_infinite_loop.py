"""Never comes back from one function; the others keep their points."""

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    while True:
        pass
