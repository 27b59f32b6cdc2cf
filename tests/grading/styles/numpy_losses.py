# I know numpy better than mxnet, so the arithmetic is numpy's and the gradient is given by hand
import numpy as np
import mxnet as mx
from mxnet import autograd, nd


class _CrossEntropy(autograd.Function):
    def forward(self, logits, label):
        z = logits.asnumpy().astype(np.float64)
        y = label.asnumpy().astype(int)
        if (y < 0).any() or (y >= z.shape[1]).any():
            raise IndexError("label out of range")
        z = z - z.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.grad = np.exp(logp)
        self.grad[np.arange(len(y)), y] -= 1
        self.grad /= len(y)
        return nd.array([-logp[np.arange(len(y)), y].mean()])

    def backward(self, dloss):
        return nd.array(self.grad) * dloss, nd.zeros(len(self.grad))


def cross_entropy(logits, label):
    return _CrossEntropy()(logits, label)


def perplexity(nats_per_char):
    with np.errstate(over="ignore"):
        return np.exp(np.float64(nats_per_char))


def grad_clipping(params, theta):
    flat = np.concatenate([p.grad.asnumpy().ravel().astype(np.float64) for p in params])
    norm = np.linalg.norm(flat)
    if not np.isfinite(norm):
        raise FloatingPointError(norm)
    if norm > theta:
        for p in params:
            p.grad[:] = nd.array(p.grad.asnumpy().astype(np.float64) * (theta / norm))
    return norm


def sgd(params, lr):
    for p in params:
        p[:] = nd.array(p.asnumpy() - np.float32(lr) * p.grad.asnumpy())


def one_hot(indices, vocab_size):
    idx = np.array(indices.asnumpy() if hasattr(indices, "asnumpy") else indices, dtype=int)
    if ((idx < 0) | (idx >= vocab_size)).any():
        raise IndexError("index out of range")
    return nd.array(np.eye(vocab_size, dtype=np.float32)[idx])


def get_inputs(data, vocab_size):
    return list(one_hot(data.asnumpy().T, vocab_size))


def bptt(inputs, label, state, params):
    W_xh, W_hh, b_h, W_hy, b_y = (p.asnumpy().astype(np.float64) for p in params)
    X = [x.asnumpy().astype(np.float64) for x in inputs]
    L = label.asnumpy().astype(int)
    H = [state[0].asnumpy().astype(np.float64)]
    P, loss, n = [], 0.0, L.size
    for t, x in enumerate(X):
        H.append(np.tanh(x @ W_xh + H[-1] @ W_hh + b_h))
        z = H[-1] @ W_hy + b_y
        z = np.exp(z - z.max(1, keepdims=True))
        P.append(z / z.sum(1, keepdims=True))
        loss -= np.log(P[-1][np.arange(len(L)), L[:, t]]).sum() / n
    grads = [np.zeros_like(w) for w in (W_xh, W_hh, b_h, W_hy, b_y)]
    back = np.zeros_like(H[0])
    for t in range(len(X))[::-1]:
        dy = P[t].copy()
        dy[np.arange(len(L)), L[:, t]] -= 1
        dy /= n
        da = (dy @ W_hy.T + back) * (1 - H[t + 1] ** 2)
        for g, more in zip(grads, (X[t].T @ da, H[t].T @ da, da.sum(0), H[t + 1].T @ dy, dy.sum(0))):
            g += more
        back = da @ W_hh.T
    return loss, [nd.array(g) for g in grads]
