"""the share of a model is its probability alone: it is what the model brought to the mixture, g_k P_k / P"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed(
    "adaptive", {"self.g * given / (self.g @ given)": "given / given.sum()"}
).AdaptiveModel
