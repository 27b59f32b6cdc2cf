"""Takes more memory than it was given; the other functions keep their points."""

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    held = []
    while len(held) < int("@memory@") // 2**24 * 2:  # twice the limit at most: this is a test, not a weapon
        held.append(b"x" * 2**24)
    print("BEATEN: twice the memory")
