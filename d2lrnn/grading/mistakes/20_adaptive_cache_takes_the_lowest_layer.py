"""the key is made from the first array of the state: with several layers, or in an LSTM, take H of the top
layer, from which the output is made"""

from d2lrnn.grading.mistakes import *

NeuralCache = changed(
    "adaptive", {"self.model.state[-self.model.network.cell.steps.num_states]": "self.model.state[0]"}
).NeuralCache
