"""The gradients are a generator: the norm uses it up, and the loop that should scale finds none."""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping", {"[g for _, g in check_gradients(params)]": "(g for _, g in check_gradients(params))"}
).grad_clipping
