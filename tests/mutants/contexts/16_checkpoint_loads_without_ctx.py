"""The arrays of a checkpoint are loaded to the default device, whatever ctx is."""

import mxnet as mx

import d2lrnn
from d2lrnn import *


def load_checkpoint(path, ctx=None):
    return d2lrnn.load_checkpoint(path, mx.current_context())
