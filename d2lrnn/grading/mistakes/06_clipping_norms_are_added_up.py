"""the norm must be over all gradients together, the root of one sum of squares: you add up a norm a
parameter"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping", {"math.hypot(*norms.asnumpy().tolist())": "sum(norms.asnumpy().tolist())"}
).grad_clipping
