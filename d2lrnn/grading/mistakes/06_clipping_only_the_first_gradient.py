"""only the first gradient is scaled: does the function return inside its loop?"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping", {"g *= theta / norm": "g *= theta / norm\n            break"}
).grad_clipping
