"""columns are dropped, the same numbers of all characters: here some characters lose all of theirs"""

from d2lrnn.grading.mistakes import *

embedding_dropout = changed(
    "regularise", {"nd.ones((len(W_e), 1), ctx": "nd.ones((1, W_e.shape[1]), ctx"}
).embedding_dropout
