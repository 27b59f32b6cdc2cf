"""The norm is taken, and nothing is done about it."""

import d2lrnn.fast
from d2lrnn import *


class Network(d2lrnn.fast.Network):
    def train_batch(self, params, state, batch, optimizer, theta):
        return super().train_batch(params, state, batch, optimizer, 1e30)


def get_network(cell="rnn", num_layers=1, *, dropout=0.0):
    return Network(*d2lrnn.get_network(cell, num_layers, dropout=dropout))
