#!/usr/bin/env python
# coding: utf-8

# # Homework: gated recurrent units

# In[1]:


get_ipython().run_line_magic('matplotlib', 'inline')
get_ipython().system('pip install mxnet')
from collections import namedtuple

from mxnet import autograd, nd
import mxnet as mx


# In[2]:


GRUParams = namedtuple("GRUParams", "W_xz W_hz b_z W_xr W_hr b_r W_xh W_hh b_h W_hy b_y")


def get_gru_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    ctx = ctx or mx.cpu()
    def three():
        return (nd.random.normal(0, scale, shape=(vocab_size, hidden_dim), ctx=ctx),
                nd.random.normal(0, scale, shape=(hidden_dim, hidden_dim), ctx=ctx),
                nd.zeros(hidden_dim, ctx=ctx))
    p = GRUParams(*three(), *three(), *three(),
                  nd.random.normal(0, scale, shape=(hidden_dim, vocab_size), ctx=ctx),
                  nd.zeros(vocab_size, ctx=ctx))
    [q.attach_grad() for q in p]
    return p


# In[3]:


def init_gru_state(batch_size, hidden_dim, ctx=None):
    return [nd.zeros((batch_size, hidden_dim), ctx=ctx)]


# In[4]:


def gru(inputs, state, params):
    H = state[0]
    outputs = []
    for X in inputs:
        Z = nd.sigmoid(nd.dot(X, params.W_xz) + nd.dot(H, params.W_hz) + params.b_z)
        R = nd.sigmoid(nd.dot(X, params.W_xr) + nd.dot(H, params.W_hr) + params.b_r)
        H_tilda = nd.tanh(nd.dot(X, params.W_xh) + nd.dot(R * H, params.W_hh) + params.b_h)
        H = Z * H + (1 - Z) * H_tilda
        outputs += [nd.dot(H, params.W_hy) + params.b_y]
    return outputs, [H]


# In[5]:


params = get_gru_params(27, 32)
state = init_gru_state(2, 32)
out, state = gru([nd.zeros((2, 27))] * 3, state, params)
out[0].shape


# In[6]:


def train(epochs=10**9):
    for _ in range(epochs):
        with autograd.record():
            out, _ = gru([nd.zeros((2, 27))] * 3, init_gru_state(2, 32), params)
            loss = sum(o.sum() for o in out)
        loss.backward()


history = train()


# In[7]:


import matplotlib.pyplot as plt
plt.plot(history)
