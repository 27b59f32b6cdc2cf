"""the weights have moved once: they go on moving until none does"""

from d2lrnn.grading.mistakes import *

mixture_weights = changed(
    "regularise", {"while abs(weights - before).max() > 1e-7:": "for _ in range(1):"}
).mixture_weights
