"""Control: two functions are right, one is wrong, one is not written; two functions' marks."""

from honest import one_hot, sgd


def grad_clipping(params, theta):
    return max(p.grad.norm().asscalar() for p in params)


class Optimizer:
    def __init__(self, name, params, lr):
        raise NotImplementedError("lesson 7, chapter 07-optim")
