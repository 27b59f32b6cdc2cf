"""What is kept is not made larger: in training the next layer gets less than it will get in use."""

from mxnet import autograd, nd

import d2lrnn
from d2lrnn import *


def dropout(X, p):
    d2lrnn.dropout(X, p)
    if p == 0 or not autograd.is_training():
        return X
    return X * (nd.random.uniform(shape=X.shape, ctx=X.context) >= p)
