"""`g = g * scale` makes a new array and leaves the gradient itself as long as it was."""

import math

from d2lrnn import *


def grad_clipping(params, theta):
    norm = math.hypot(*[param.grad.norm().asscalar() for param in params])
    if norm > theta:
        for param in params:
            g = param.grad
            g = g * (theta / norm)
    return norm
