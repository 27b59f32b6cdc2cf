# @ "\ufeff"
"""A byte order mark, as Windows editors write it: a sound file, full marks."""

from honest import Optimizer, grad_clipping, one_hot, sgd
