"""The gates share one product: weights are laid side by side, and the result is cut."""
import mxnet as mx
from mxnet import nd
from mxnet.ndarray import concat, dot, sigmoid, slice_axis, tanh


def _draw(scale, shape, ctx):
    array = nd.normal(loc=0.0, scale=scale, shape=shape, ctx=ctx)
    array.attach_grad()
    return array


def _zeros(n, ctx):
    array = nd.zeros((n,), ctx=ctx)
    array.attach_grad()
    return array


def get_lstm_params(vocab_size, hidden_dim, ctx=mx.cpu(), *, scale=0.01):
    params = ()
    for _ in "ifoc":
        params += (_draw(scale, (vocab_size, hidden_dim), ctx), _draw(scale, (hidden_dim,) * 2, ctx), _zeros(hidden_dim, ctx))
    return params + (_draw(scale, (hidden_dim, vocab_size), ctx), _zeros(vocab_size, ctx))


def init_lstm_state(batch_size, hidden_dim, ctx=mx.cpu()):
    H, C = nd.zeros((2, batch_size, hidden_dim), ctx=ctx)
    return H, C


def lstm(inputs, state, params):
    W_x, W_h, b = (concat(*params[k:12:3], dim=-1) for k in range(3))
    (H, C), n = state, state[0].shape[1]
    T, B = len(inputs), inputs[0].shape[0]
    read = dot(concat(*inputs, dim=0), W_x) + b
    Hs = []
    for t in range(T):
        A = slice_axis(read, axis=0, begin=t * B, end=(t + 1) * B) + dot(H, W_h)
        I, F, O = sigmoid(slice_axis(A, axis=1, begin=0, end=3 * n)).split(3, axis=1)
        C = F * C + I * tanh(slice_axis(A, axis=1, begin=3 * n, end=4 * n))
        H = O * tanh(C)
        Hs.append(H)
    Y = dot(concat(*Hs, dim=0), params[12]) + params[13]
    return list(Y.reshape((T, B, -1))), (H, C)


def get_inputs(data, vocab_size):
    values = data.asnumpy()
    if values.min() < 0 or values.max() >= vocab_size:
        raise IndexError("index")
    return list(nd.one_hot(data.T, vocab_size))
