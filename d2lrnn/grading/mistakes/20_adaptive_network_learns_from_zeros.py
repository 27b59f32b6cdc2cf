"""every training segment begins with a state of zeros: begin with the state before its first character"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive", {"chars[:, 1:], self.first_state,": "chars[:, 1:], tuple(map(nd.zeros_like, self.state)),"}
).DynamicNetwork
