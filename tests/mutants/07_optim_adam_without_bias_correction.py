"""The means that start at zero are not corrected: the first steps have the wrong length."""

from mxnet import nd

from d2lrnn import *
from d2lrnn.checks import check_gradients, check_positive, check_size


def adam(params, states, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
    check_positive(lr=lr)
    check_size(t=t)
    if len(states) != len(params):
        raise ValueError(f"{len(states)} states for {len(params)} parameters")
    for (param, g), (m, v) in zip(check_gradients(params), states):
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g * g
        param[:] = param - lr * m / (nd.sqrt(v) + eps)
