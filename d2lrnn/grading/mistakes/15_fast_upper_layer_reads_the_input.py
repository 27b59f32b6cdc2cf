"""every layer reads the characters: the second reads the states of the first, step by step"""

from d2lrnn.grading.mistakes import *

get_network = changed(
    "fast",
    {
        "new_state: State = ()": "first, new_state = below, ()",
        "layer.read(below, layer_state,": "layer.read(first, layer_state,",
        "reads_indices and k == 0": "reads_indices",
    },
).get_network
