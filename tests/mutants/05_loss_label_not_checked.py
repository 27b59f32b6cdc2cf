"""A label outside the vocabulary is let through: nd.pick takes the nearest class, and says nothing."""

from mxnet import nd

from d2lrnn import *


def cross_entropy(logits, label):
    return -nd.pick(nd.log_softmax(logits), label).mean()
