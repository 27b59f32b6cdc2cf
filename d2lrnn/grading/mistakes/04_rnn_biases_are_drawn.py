"""the biases are drawn, like the weights: they start at zero"""

from d2lrnn.grading.mistakes import *

get_params = changed(
    "rnn",
    {
        "nd.zeros(hidden_dim, ctx=ctx)": "normal(shape=hidden_dim)",
        "nd.zeros(vocab_size, ctx=ctx)": "normal(shape=vocab_size)",
    },
).get_params
