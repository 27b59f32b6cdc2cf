"""rows of W_e that are dropped for reading are missing in Y, too: writing takes all of W_e"""

from d2lrnn.grading.mistakes import *

tied_lstm = changed(
    "regularise",
    {
        "    X = locked": "    W_e = embedding_dropout(W_e, p_embedding)\n    X = locked",
        "(*inputs), embedding_dropout(W_e, p_embedding))": "(*inputs), W_e)",
    },
).tied_lstm
