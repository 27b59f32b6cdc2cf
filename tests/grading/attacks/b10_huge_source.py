"""A file of a million characters: graded, and not the end of the run."""

from honest import Optimizer, grad_clipping, one_hot, sgd

# @ "'" + "x" * 1_000_000 + "'"
