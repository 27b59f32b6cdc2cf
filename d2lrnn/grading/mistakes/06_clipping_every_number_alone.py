"""every number is cut off at theta on its own: the direction is lost. Scale all of them by one factor"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping", {"if norm > theta:": "if True:", "g *= theta / norm": "g[:] = nd.clip(g, -theta, theta)"}
).grad_clipping
