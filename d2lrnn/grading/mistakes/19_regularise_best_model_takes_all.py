"""the best model gets all the weight: a mixture is better, since one knows what another does not"""

from d2lrnn.grading.mistakes import *

mixture_weights = changed(
    "regularise", {"    return weights\n": "    return np.eye(len(P))[np.log(P).sum(axis=1).argmax()]\n"}
).mixture_weights
