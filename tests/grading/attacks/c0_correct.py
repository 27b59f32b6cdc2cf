"""Control: everything is right, full marks."""

from honest import Optimizer, grad_clipping, one_hot, sgd
