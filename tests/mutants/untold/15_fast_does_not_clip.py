"""The norm is taken, and nothing is done about it."""

import d2lrnn.engine.backprop
from d2lrnn import *


def train_batch(network, params, state, batch, optimizer, theta):
    return d2lrnn.engine.backprop.train_batch(network, params, state, batch, optimizer, 1e30)
