"""The norm is taken, and nothing is done about it."""

import d2lrnn.learning
from d2lrnn import *


def train_batch(network, params, state, batch, optimizer, theta):
    return d2lrnn.learning.train_batch(network, params, state, batch, optimizer, 1e30)
