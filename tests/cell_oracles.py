"""What lessons are held against: slopes of the loss, the layers of Gluon, gradients that are given."""

from functools import cache

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

VOCAB_SIZE, HIDDEN_DIM, BATCH_SIZE, NUM_STEPS = 5, 4, 3, 6
CPU = mx.cpu()


def random_arrays(shapes, dtype, seed=0):
    """Normal numbers large enough that tanh and sigmoid bend."""
    rng = np.random.default_rng(seed)
    return [nd.array(rng.normal(scale=0.7, size=shape), CPU, dtype) for shape in shapes]


def shape_of(name):
    """A parameter's name says its shape: W_xh leads from x, as wide as the vocabulary, to h."""
    return tuple(VOCAB_SIZE if letter in "xy" else HIDDEN_DIM for letter in name[2:])


def random_case(Params, num_states=1, dtype="float64"):
    """inputs of one-hot rows, a state, and parameters of a NamedTuple's names: none of them zero."""
    columns = np.random.default_rng(1).integers(VOCAB_SIZE, size=(NUM_STEPS, BATCH_SIZE))
    inputs = [nd.array(np.eye(VOCAB_SIZE)[column], CPU, dtype) for column in columns]
    state = random_arrays([(BATCH_SIZE, HIDDEN_DIM)] * num_states, dtype, seed=2)
    return inputs, tuple(state), Params(*random_arrays(map(shape_of, Params._fields), dtype))


def with_gradient(values, gradient, dtype="float32"):
    """A parameter of these values, or of one for all, whose gradient is given, not computed."""
    param = nd.array(np.broadcast_to(values, np.shape(gradient)), CPU, dtype)
    param.attach_grad()
    param.grad[:] = nd.array(gradient, CPU, dtype)
    return param


def weighted_sum(arrays):
    """One number that hangs on every number in arrays, on each with another weight."""
    weights = _weights(tuple(A.shape for A in arrays), arrays[0].dtype)
    return sum((A * weight).sum() for A, weight in zip(arrays, weights))


@cache
def _weights(shapes, dtype):
    return random_arrays(shapes, dtype, seed=3)


def gradients(function, arrays):
    """d weighted_sum(function()) / d array for every array, by autograd."""
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        loss = weighted_sum(function())
        for array in arrays:
            loss = loss + 0 * array.sum()  # so that an array which function() forgets has a gradient, 0
    loss.backward()
    return [array.grad.asnumpy() for array in arrays]


def slopes(function, array, eps=1e-5):
    """The same for one array, by central differences: float64 leaves them ten right digits."""
    original, slopes = array.asnumpy(), np.zeros(array.shape)
    for i in np.ndindex(array.shape):
        for sign in (1, -1):
            moved = original.copy()
            moved[i] += sign * eps
            array[:] = nd.array(moved, CPU, "float64")
            slopes[i] += sign * weighted_sum(function()).asscalar() / (2 * eps)
    array[:] = nd.array(original, CPU, "float64")
    return slopes


def set_gluon_params(layer, W_x, W_h, b):
    """Give a Gluon layer our weights: matrices side by side, one a gate, and its second bias zero."""
    layer.initialize(ctx=CPU)
    layer.l0_i2h_weight.set_data(nd.concat(*W_x, dim=1).T)
    layer.l0_h2h_weight.set_data(nd.concat(*W_h, dim=1).T)
    layer.l0_i2h_bias.set_data(nd.concat(*b, dim=0))
    layer.l0_h2h_bias.set_data(nd.zeros_like(nd.concat(*b, dim=0)))


def gluon_gradients(layer, num_gates):
    """Its gradients in our shapes: for every gate [W_x, W_h, b], in Gluon's order of gates."""
    stacked = layer.l0_i2h_weight.grad().T, layer.l0_h2h_weight.grad().T, layer.l0_i2h_bias.grad()
    return list(zip(*(np.split(grad.asnumpy(), num_gates, axis=-1) for grad in stacked)))
