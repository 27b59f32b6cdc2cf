"""RMS is that of the last gradient alone: it is the mean over all so far"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive", {"squares += param.grad**2": "squares[:] = param.grad**2 * self.num_updates"}
).DynamicNetwork
