"""the gradient is divided by the mean of its square: RMS is the root of it"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive", {"nd.sqrt(squares / self.num_updates)": "squares / self.num_updates"}
).DynamicNetwork
