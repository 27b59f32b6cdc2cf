from functools import partial, reduce
from itertools import accumulate, chain, repeat
from operator import add, methodcaller

import mxnet as mx
from mxnet import nd

normal = lambda scale, ctx, *shape: nd.random.normal(scale=scale, shape=shape, ctx=ctx)
attached = lambda array: (array.attach_grad(), array)[1]
affine = lambda X, H, W_x, W_h, b: reduce(add, (nd.dot(X, W_x), nd.dot(H, W_h), b))

get_params = lambda vocab_size, hidden_dim, ctx=None, *, scale=0.01: [*map(attached, (
    normal(scale, ctx or mx.cpu(), vocab_size, hidden_dim),
    normal(scale, ctx or mx.cpu(), hidden_dim, hidden_dim),
    nd.zeros(hidden_dim, ctx=ctx),
    normal(scale, ctx or mx.cpu(), hidden_dim, vocab_size),
    nd.zeros(vocab_size, ctx=ctx),
))]

init_rnn_state = lambda batch_size, hidden_dim, ctx=None: (nd.zeros((batch_size, hidden_dim), ctx=ctx),)


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hy, b_y = params
    states = list(accumulate(chain(state, inputs), lambda H, X: nd.tanh(affine(X, H, W_xh, W_hh, b_h))))
    return [nd.dot(H, W_hy) + b_y for H in states[1:]], (states[-1],)


init_gru_state = init_rnn_state


def _gru_step(params, H, X):
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h = params
    Z, R = affine(X, H, W_xz, W_hz, b_z).sigmoid(), affine(X, H, W_xr, W_hr, b_r).sigmoid()
    return Z * H + (1 - Z) * affine(X, R * H, W_xh, W_hh, b_h).tanh()


def gru(inputs, state, params):
    states = list(accumulate(chain(state, inputs), partial(_gru_step, params[:9])))
    return [*map(lambda H: nd.dot(H, params[-2]) + params[-1], states[1:])], tuple(states[-1:])


sgd = lambda params, lr: [*map(lambda p: p.__setitem__(slice(None), p - lr * p.grad), params)] and None
init_adam_states = lambda params: [(nd.zeros_like(p), nd.zeros_like(p)) for p in params]
