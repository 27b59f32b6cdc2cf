"""evaluate() takes the mean over batches: the characters of a short last batch count more than the others."""

from mxnet import nd

from d2lrnn import *


def evaluate(
    rnn, params, init_state, indices, batch_size, num_steps, ctx=None, *, get_inputs=get_inputs
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    batch_size = min(batch_size, len(indices) // 2)
    rows = nd.array(indices[: len(indices) // batch_size * batch_size], ctx=ctx).reshape((batch_size, -1))
    state = init_state(batch_size, hidden_dim, ctx)
    nats = []
    for i in range(0, rows.shape[1] - 1, num_steps):
        chars = rows[:, i : i + num_steps + 1]
        outputs, state = rnn(get_inputs(chars[:, :-1], vocab_size), state, params)
        nats.append(cross_entropy(nd.concat(*outputs, dim=0), chars[:, 1:].T.reshape(-1)).asscalar())
    return perplexity(sum(nats) / len(nats))
