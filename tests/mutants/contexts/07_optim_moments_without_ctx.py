"""Adam's moments are on the default device, whatever device their parameter is on."""

from mxnet import nd

from d2lrnn import *


def init_adam_states(params):
    return [(nd.zeros(param.shape), nd.zeros(param.shape)) for param in params]
