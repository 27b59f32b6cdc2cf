"""Plain lists and loops; arrays only where they leave a function."""
import random

from mxnet import nd


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    chars = [int(c) for c in corpus_indices][offset:]
    starts = []
    i = 0
    while i + num_steps < len(chars):
        starts.append(i)
        i += num_steps
    if len(starts) < batch_size:
        raise ValueError("corpus too short for one batch")
    if rng is None:
        random.shuffle(starts)
    else:
        order = rng.permutation(len(starts))
        starts = [starts[k] for k in order]
    while len(starts) >= batch_size:
        now, starts = starts[:batch_size], starts[batch_size:]
        data = [chars[s:s + num_steps] for s in now]
        label = [chars[s + 1:s + num_steps + 1] for s in now]
        yield nd.array(data, ctx=ctx, dtype="int32"), nd.array(label, ctx=ctx, dtype="int32")


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    chars = [int(c) for c in corpus_indices][offset:]
    length = len(chars) // batch_size
    rows = [chars[r * length:(r + 1) * length] for r in range(batch_size)]
    if length < num_steps + 1:
        raise ValueError("corpus too short for one batch")
    at = 0
    while at + num_steps + 1 <= length:
        data = [row[at:at + num_steps] for row in rows]
        label = [row[at + 1:at + num_steps + 1] for row in rows]
        at += num_steps
        yield nd.array(data, ctx=ctx, dtype="int32"), nd.array(label, ctx=ctx, dtype="int32")


def one_hot(indices, vocab_size):
    if hasattr(indices, "asnumpy"):
        indices = indices.asnumpy().tolist()
    if not isinstance(indices, list):
        if not 0 <= indices < vocab_size:
            raise IndexError("index %s" % indices)
        return nd.array([1.0 if k == int(indices) else 0.0 for k in range(vocab_size)])
    return nd.stack(*[one_hot(i, vocab_size) for i in indices])


def get_inputs(data, vocab_size):
    rows = data.asnumpy().tolist()
    return [one_hot([row[t] for row in rows], vocab_size) for t in range(len(rows[0]))]


def sgd(params, lr):
    for i in range(len(params)):
        params[i][:] = params[i] - params[i].grad * lr


def init_adam_states(params):
    states = []
    for p in params:
        states.append([nd.zeros(p.shape), nd.zeros(p.shape)])
    return states


def adam(params, states, lr, t, beta1=0.9, beta2=0.999, eps=1e-8):
    for i in range(len(params)):
        g, m, v = params[i].grad, states[i][0], states[i][1]
        m[:] = m * beta1 + g * (1 - beta1)
        v[:] = v * beta2 + g.square() * (1 - beta2)
        step = (m / (1 - beta1 ** t)) / ((v / (1 - beta2 ** t)).sqrt() + eps)
        params[i][:] = params[i] - step * lr
