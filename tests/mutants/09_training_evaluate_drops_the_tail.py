"""evaluate() reads whole batches only: the last characters of every row are never measured."""

from mxnet import nd

from d2lrnn import *


def evaluate(
    rnn, params, init_state, indices, batch_size, num_steps, ctx=None, *, get_inputs=get_inputs
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    batch_size = min(batch_size, len(indices) // 2)
    num_steps = min(num_steps, len(indices) // batch_size - 1)
    state = init_state(batch_size, hidden_dim, ctx)
    nats = num_chars = 0.0
    for data, label in data_iter_consecutive(indices, batch_size, num_steps, ctx):
        outputs, state = rnn(get_inputs(data, vocab_size), state, params)
        nats += cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1)).asscalar() * label.size
        num_chars += label.size
    return perplexity(nats / num_chars)
