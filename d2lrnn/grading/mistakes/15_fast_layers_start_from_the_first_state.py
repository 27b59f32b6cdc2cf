"""every layer starts from the state of the first: each has its own"""

from d2lrnn.grading.mistakes import *

get_network = changed(
    "fast", {"self._each_layers(state)):": "self._each_layers(state)[:1] * self.num_layers):"}
).get_network
