"""top_k is taken and not used: the unlikeliest characters are drawn too."""

import numpy as np

from d2lrnn import *
from d2lrnn.decoding import _probabilities, _write


def generate(
    prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None,
    *, temperature=1.0, top_k=None, top_p=None, seed=None,
):  # fmt: skip
    rng = np.random.default_rng(seed)

    def choose(logits):
        if temperature == 0:
            return int(np.argmax(logits))
        p = _probabilities(logits, temperature, None, top_p)
        return int(rng.choice(len(logits), p=p))

    return _write(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, choose=choose)
