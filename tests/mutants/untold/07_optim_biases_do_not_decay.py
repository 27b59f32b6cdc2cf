"""Vectors are spared the decay, as some trainers do: ours says that every parameter decays."""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "optim", {"[lr * weight_decay * param for": "[lr * weight_decay * (param.ndim > 1) * param for"}
)
adamw, Optimizer = wrong.adamw, wrong.Optimizer
