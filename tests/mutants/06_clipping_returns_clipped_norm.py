"""The norm after clipping is returned: it never tells that gradients explode."""

import math

from d2lrnn import *


def grad_clipping(params, theta):
    norm = math.hypot(*[param.grad.norm().asscalar() for param in params])
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
    return min(norm, theta)
