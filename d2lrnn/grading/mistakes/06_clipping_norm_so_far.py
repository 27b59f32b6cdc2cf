"""each gradient is scaled by the norm of those up to it: first find the norm of all, then scale them"""

from d2lrnn.grading.mistakes import *

import math


def grad_clipping(params, theta):
    squares = norm = 0.0
    for param in params:
        squares += float((param.grad.astype("float64") ** 2).sum().asscalar())
        norm = math.sqrt(squares)
        if not math.isfinite(norm):
            raise FloatingPointError(norm)
        if norm > theta:
            param.grad[:] = param.grad * (theta / norm)
    return norm
