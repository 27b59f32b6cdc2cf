"""the gradients are not clipped: the step is longer than lr * clipping_theta"""

from d2lrnn.grading.mistakes import *

train_batches = changed("training", {"    grad_clipping(params, theta)\n": ""}).train_batches
