"""the state itself is dropped, and what it remembers is lost to all later steps: drop only what goes up to
the output"""

from d2lrnn.grading.mistakes import *

rnn_dropout = changed(
    "heldout",
    {
        "outputs.append(": "H = dropout(H, p)\n        outputs.append(",
        "nd.dot(dropout(H, p), W_hy)": "nd.dot(H, W_hy)",
    },
).rnn_dropout
