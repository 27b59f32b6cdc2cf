"""Text that claims an encoding of its own, in which the right code means something else."""

# @ "# -*- coding: utf-7 -*-"

# @ "# -*- coding: rot13 -*-"

from honest import Optimizer, grad_clipping, one_hot, sgd
