"""The loss is in bits, but perplexity takes it for nats."""

import math

from mxnet import nd

from d2lrnn import *


def cross_entropy(logits, label):
    return -nd.pick(nd.log_softmax(logits), label).mean() / math.log(2)
