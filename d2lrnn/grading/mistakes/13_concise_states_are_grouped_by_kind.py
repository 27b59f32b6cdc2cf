"""the states are grouped by kind, all H, then all C: give those of layer 1, then of layer 2"""

from d2lrnn.grading.mistakes import *

RNNModel = changed(
    "concise",
    {
        "state[i::width]": "state[i * self.num_layers : (i + 1) * self.num_layers]",
        "k in range(self.num_layers) for S in stacked": "S in stacked for k in range(self.num_layers)",
    },
).RNNModel
