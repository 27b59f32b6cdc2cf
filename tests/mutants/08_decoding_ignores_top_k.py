"""top_k is taken and not used: the unlikeliest characters are drawn too."""

from d2lrnn import *
from d2lrnn.decoding import generate_batch


def generate(
    prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None,
    *, temperature=1.0, top_k=None, top_p=None, seed=None,
):  # fmt: skip
    options = {"temperature": temperature, "top_p": top_p, "seed": seed}
    network = rnn, params, init_state, hidden_dim
    return generate_batch([prefix], num_chars, *network, vocab, ctx, **options)[0]
