"""The gradient is scaled to length theta in any case: one near the minimum is made long again."""

import math

from d2lrnn import *


def grad_clipping(params, theta):
    norm = math.hypot(*[param.grad.norm().asscalar() for param in params])
    for param in params:
        param.grad[:] *= theta / norm
    return norm
