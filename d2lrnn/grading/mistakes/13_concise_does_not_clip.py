"""the gradients are not clipped: the step is longer than lr * clipping_theta"""

from d2lrnn.grading.mistakes import *

train_epoch_gluon = changed(
    "concise", {"parameters], clipping_theta)": "parameters], 1e9)"}
).train_epoch_gluon
