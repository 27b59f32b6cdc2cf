"""The buffer of all gradients is on the default device, and so are the gradients from then on."""

import numpy as np
from mxnet import autograd, nd

from d2lrnn import *


def flat_gradients(params, spare=0):
    sizes = [param.size for param in params]
    flat = nd.zeros(sum(sizes) + spare)
    ends = np.cumsum(sizes).tolist()
    views = [flat[end - p.size : end].reshape(p.shape) for p, end in zip(params, ends)]
    autograd.mark_variables(list(params), views)
    return flat
