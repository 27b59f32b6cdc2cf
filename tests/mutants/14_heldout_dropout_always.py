"""Numbers are dropped outside training too: every measurement and every text is spoilt."""

from mxnet import nd

import d2lrnn
from d2lrnn import *


def dropout(X, p):
    d2lrnn.dropout(X, p)
    return X * (nd.random.uniform(shape=X.shape, ctx=X.context) >= p) / (1 - p)
