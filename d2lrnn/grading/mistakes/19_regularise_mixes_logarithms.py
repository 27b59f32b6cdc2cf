"""logarithms are mixed, and what comes out is not a probability: mix the probabilities themselves"""

from d2lrnn.grading.mistakes import *

interpolate = changed(
    "regularise", {"np.tensordot(weights, P, axes=1)": "np.exp(np.tensordot(weights, np.log(P), axes=1))"}
).interpolate
