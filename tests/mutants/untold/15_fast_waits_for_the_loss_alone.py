"""The loss is waited for, then the norm: the cores stand still in between."""

import d2lrnn.fast
from d2lrnn import *


class Network(d2lrnn.fast.Network):
    def learn(self, data, label, state, params):
        loss, state = super().learn(data, label, state, params)
        loss.asscalar()
        return loss, state


def get_network(cell="rnn", num_layers=1, *, dropout=0.0):
    return Network(*d2lrnn.get_network(cell, num_layers, dropout=dropout))
