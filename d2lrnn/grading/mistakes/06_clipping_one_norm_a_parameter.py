"""the norm must be over all gradients together, not one norm a parameter: large and small ones become
alike, and the direction is lost"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping",
    {"if norm > theta:": "if True:", "g *= theta / norm": "g *= theta / max(theta, nd.norm(g).asscalar())"},
).grad_clipping
