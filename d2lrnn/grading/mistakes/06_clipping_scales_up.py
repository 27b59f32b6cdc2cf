"""a short gradient is made long: theta is a limit, not a length. Scale by min(1, theta / norm)"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed("clipping", {"if norm > theta:": "if norm:"}).grad_clipping
