"""The new states are put in front of each other: next time each layer starts from another's."""

import d2lrnn.fast
from d2lrnn import *


class Network(d2lrnn.fast.Network):
    def rnn(self, inputs, state, params):
        outputs, state = super().rnn(inputs, state, params)
        return outputs, sum(reversed(self._each_layers(state)), ())


def get_network(cell="rnn", num_layers=1):
    return Network(*d2lrnn.get_network(cell, num_layers))
