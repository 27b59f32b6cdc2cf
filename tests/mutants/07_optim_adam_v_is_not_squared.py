"""v is the mean of g, not of g squared: its root is NaN where the slope is negative."""

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
        v[:] = beta2 * v + (1 - beta2) * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        param[:] = param - lr * m_hat / (nd.sqrt(v_hat) + eps)
