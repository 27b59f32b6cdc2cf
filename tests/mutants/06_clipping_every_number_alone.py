"""Every number of the gradient is cut off at theta on its own: the direction is lost."""

import math

from mxnet import nd

from d2lrnn import *


def grad_clipping(params, theta):
    norm = math.hypot(*[param.grad.norm().asscalar() for param in params])
    for param in params:
        param.grad[:] = nd.clip(param.grad, -theta, theta)
    return norm
