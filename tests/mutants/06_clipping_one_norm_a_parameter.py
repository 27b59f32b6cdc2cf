"""Every gradient is clipped by its own norm: large and small ones become alike, the direction is lost."""

import math

from d2lrnn import *


def grad_clipping(params, theta):
    norms = [param.grad.norm().asscalar() for param in params]
    for param, norm in zip(params, norms):
        if norm > theta:
            param.grad[:] *= theta / norm
    return math.hypot(*norms)
