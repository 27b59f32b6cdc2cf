"""t stays 1: Adam corrects every step as if it were the first."""

from d2lrnn import *
from d2lrnn.checks import check_positive


class Optimizer:
    def __init__(self, name, params, lr):
        if name not in ("sgd", "adam"):
            raise ValueError(f"optimizer is {name!r}: give 'sgd' or 'adam'")
        check_positive(lr=lr)
        self.name, self.lr, self.t = name, lr, 1
        self.states = init_adam_states(params) if name == "adam" else []

    def step(self, params):
        if self.name == "adam":
            adam(params, self.states, self.lr, self.t)
        else:
            sgd(params, self.lr)
