"""steps and rows are swapped: Gluon's layer takes (num_steps, batch_size, vocab_size)"""

from d2lrnn.grading.mistakes import *

RNNModel = changed(
    "concise",
    {
        "nd.stack(*inputs), stacked)": "nd.stack(*inputs, axis=1), rows)",
        "H, stacked =": "rows = [S[:, :1].repeat(len(inputs), 1) for S in stacked]\n        H, stacked =",
    },
).RNNModel
