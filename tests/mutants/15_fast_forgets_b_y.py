"""b_y is forgotten: while it is zero, as in new parameters, nobody notices."""

from mxnet import nd

import d2lrnn.fast
from d2lrnn import *


class Network(d2lrnn.fast.Network):
    def rnn(self, inputs, state, params):
        return super().rnn(inputs, state, [*params[:-1], nd.zeros_like(params[-1])])


def get_network(cell="rnn", num_layers=1):
    return Network(*d2lrnn.get_network(cell, num_layers))
