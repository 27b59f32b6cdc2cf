"""the gradient flows back into the state given, and so into the batch before: detach() returns a new
array, and leaves the old one as it is"""

from d2lrnn.grading.mistakes import *

train_batches = changed(
    "training", {"state = tuple(S.detach() for S in state)": "_ = [S.detach() for S in state]"}
).train_batches
