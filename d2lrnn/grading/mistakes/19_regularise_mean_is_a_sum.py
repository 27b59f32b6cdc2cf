"""without weights the probabilities are added up: they are averaged"""

from d2lrnn.grading.mistakes import *

interpolate = changed(
    "regularise",
    {
        "np.full(len(P), 1 / len(P)) if weights is None": "np.ones(len(P)) if weights is None",
        "weights.shape != P.shape[:1] or weights.min() < 0 or abs(weights.sum() - 1) > 1e-6": "False",
    },
).interpolate
