"""Weights are drawn with deviation 1, the default of nd.random.normal: tanh is flat from the start."""

from importlib import import_module

from mxnet import nd

from d2lrnn import *

RNNParams = import_module("d2lrnn.rnn").RNNParams


def get_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    ctx = ctx or try_gpu()
    params = RNNParams(
        W_xh=nd.random.normal(shape=(vocab_size, hidden_dim), ctx=ctx),
        W_hh=nd.random.normal(shape=(hidden_dim, hidden_dim), ctx=ctx),
        b_h=nd.zeros(hidden_dim, ctx=ctx),
        W_hy=nd.random.normal(shape=(hidden_dim, vocab_size), ctx=ctx),
        b_y=nd.zeros(vocab_size, ctx=ctx),
    )
    for param in params:
        param.attach_grad()
    return params
