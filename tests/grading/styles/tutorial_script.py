# 循环神经网络的从零开始实现 —— one file, in the manner of the tutorial, training at the bottom
import math
import random
import time

from mxnet import autograd, nd
import mxnet as mx

ctx = mx.cpu()
print("will use", ctx)


def to_onehot(X, size):
    return [nd.one_hot(x, size) for x in X.T]


def _one(shape, scale, ctx):
    return nd.random.normal(scale=scale, shape=shape, ctx=ctx)


def get_params(vocab_size, hidden_dim, ctx=ctx, *, scale=0.01):
    num_inputs = num_outputs = vocab_size
    # 隐藏层参数
    W_xh = _one((num_inputs, hidden_dim), scale, ctx)
    W_hh = _one((hidden_dim, hidden_dim), scale, ctx)
    b_h = nd.zeros(hidden_dim, ctx=ctx)
    # 输出层参数
    W_hy = _one((hidden_dim, num_outputs), scale, ctx)
    b_y = nd.zeros(num_outputs, ctx=ctx)
    params = [W_xh, W_hh, b_h, W_hy, b_y]
    for param in params:
        param.attach_grad()
    return params


def init_rnn_state(batch_size, hidden_dim, ctx=ctx):
    return (nd.zeros(shape=(batch_size, hidden_dim), ctx=ctx), )


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hy, b_y = params
    H, = state
    outputs = []
    for X in inputs:
        H = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        Y = nd.dot(H, W_hy) + b_y
        outputs.append(Y)
    return outputs, (H,)


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, hidden_dim, vocab, ctx=ctx):
    if not prefix:
        raise ValueError("empty prefix")
    for c in prefix:
        if c not in vocab.char_to_idx:
            raise ValueError("unknown char " + c)
    state = init_rnn_state(1, hidden_dim, ctx)
    output = [vocab.char_to_idx[prefix[0]]]
    for t in range(num_chars + len(prefix) - 1):
        # 将上一时间步的输出作为当前时间步的输入
        X = to_onehot(nd.array([[output[-1]]], ctx=ctx), len(vocab.idx_to_char))
        (Y, state) = rnn(X, state, params)
        if t < len(prefix) - 1:
            output.append(vocab.char_to_idx[prefix[t + 1]])
        else:
            output.append(int(Y[0].argmax(axis=1).asscalar()))
    return ''.join([vocab.idx_to_char[i] for i in output])


def grad_clipping(params, theta, ctx=ctx):
    norm = 0.0
    for param in params:
        norm += float((param.grad.astype('float64') ** 2).sum().asscalar())
    norm = math.sqrt(norm)
    if math.isnan(norm) or math.isinf(norm):
        raise FloatingPointError('gradient is %r' % norm)
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
    return norm


def sgd(params, lr, batch_size=1):
    for param in params:
        param[:] = param - lr * param.grad / batch_size


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, rng=None, offset=0):
    corpus_indices = nd.array(list(corpus_indices)[offset:], ctx=ctx, dtype='int32')
    data_len = len(corpus_indices)
    batch_len = data_len // batch_size
    indices = corpus_indices[0: batch_size*batch_len].reshape((
        batch_size, batch_len))
    epoch_size = (batch_len - 1) // num_steps
    if epoch_size < 1:
        raise ValueError('too short: %d' % data_len)
    for i in range(epoch_size):
        i = i * num_steps
        X = indices[:, i: i + num_steps]
        Y = indices[:, i + 1: i + num_steps + 1]
        yield X, Y


# ---- 训练 ----
num_hiddens = 256
corpus_chars = open('jaychou_lyrics.txt').read()
corpus_chars = corpus_chars.replace('\n', ' ').replace('\r', ' ')[0:10000]
vocab_size = len(set(corpus_chars))

params = get_params(vocab_size, num_hiddens)
start = time.time()
for epoch in range(200):
    for X, Y in data_iter_consecutive(corpus_indices, 32, 35, ctx):
        state = init_rnn_state(32, num_hiddens)
        with autograd.record():
            outputs, state = rnn(to_onehot(X, vocab_size), state, params)
        grad_clipping(params, 1e-2)
        sgd(params, 100)
    if (epoch + 1) % 50 == 0:
        print('epoch %d, time %.2f sec' % (epoch + 1, time.time() - start))
