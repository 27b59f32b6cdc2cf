"""The decay is a share of the parameter after the step: a trifle less, and no longer PyTorch's."""

from d2lrnn.grading.mistakes import *

adamw = changed(
    "optim",
    {
        "decay = [lr * weight_decay * param for param in params]": "decay = params",
        "param -= shrinkage": "param -= lr * weight_decay * shrinkage",
    },
).adamw
