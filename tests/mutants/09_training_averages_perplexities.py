"""The perplexity of an epoch is the mean of its batches' perplexities, not exp of the mean per character."""

from d2lrnn import *


def train_epoch(rnn, params, init_state, batches, optimizer, clipping_theta, *, is_random_iter):
    steps = train_batches(
        rnn, params, init_state, batches, optimizer, clipping_theta, is_random_iter=is_random_iter
    )
    perplexities = [perplexity(nats) for nats, _, _ in steps]
    return sum(perplexities) / len(perplexities)
