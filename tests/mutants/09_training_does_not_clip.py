"""Gradients are not clipped."""

import math

from mxnet import autograd, nd

from d2lrnn import *
from d2lrnn.checks import check_backward_reached


def train_batches(
    rnn, params, init_state, batches, optimizer, clipping_theta,
    *, is_random_iter, get_inputs=get_inputs, state=None,
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    for data, label in batches:
        if is_random_iter or state is None:
            state = init_state(len(data), hidden_dim, data.context)
        state = tuple(S.detach() for S in state)
        with autograd.record():
            outputs, state = rnn(get_inputs(data, vocab_size), state, params)
            loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
        loss.backward()
        nats = loss.asscalar()
        if not math.isfinite(perplexity(nats)):
            raise FloatingPointError(f"the loss is {nats:g} nats per character")
        check_backward_reached(params)
        optimizer.step(params)
        yield float(nats), label.size, state
