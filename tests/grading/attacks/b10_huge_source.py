"""A file of ten million characters: refused in one line, or graded, but not the end of the run."""

from honest import Optimizer, grad_clipping, one_hot, sgd

# @ "'" + "x" * 10_000_000 + "'"
