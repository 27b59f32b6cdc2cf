"""the new states of the layers come in the wrong order: the first layer's first, or next time each layer
starts from another's"""

from d2lrnn.grading.mistakes import *

get_network = changed("fast", {"new_state += layer_state": "new_state = layer_state + new_state"}).get_network
