"""single numbers of the embeddings are dropped: here a character is dropped as a whole, or kept as a whole"""

from d2lrnn.grading.mistakes import *

embedding_dropout = changed(
    "regularise", {"nd.ones((len(W_e), 1), ctx": "nd.ones(W_e.shape, ctx"}
).embedding_dropout
