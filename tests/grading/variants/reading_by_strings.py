"""Lesson 20 with strings for histories, autograd for the gate, and whole lists for the memory."""

from collections import Counter

import mxnet as mx
import numpy as np
from mxnet import autograd, nd


class _Reader:
    text = ""

    def read(self, char):
        self.text += chr(char)


class OnlineKneserNey(_Reader):
    def __init__(self, vocab_size, discounts=(0.75, 0.8, 0.9, 0.95, 0.85, 0.2, 0.4, 0.5)):
        self.vocab_size, self.discounts = vocab_size, tuple(discounts)
        self.seen = Counter()

    def read(self, char):
        super().read(char)
        for n in range(min(len(self.discounts), len(self.text)), 0, -1):
            self.seen[self.text[-n:]] += 1
            if self.seen[self.text[-n:]] != 1:
                return

    def predict(self):
        return np.array(
            [self._p(min(len(self.discounts), len(self.text) + 1), x) for x in range(self.vocab_size)]
        )

    def _p(self, n, x):
        if n == 0:
            return 1 / self.vocab_size
        history = self.text[len(self.text) - n + 1 :]
        c = [self.seen[history + chr(y)] for y in range(self.vocab_size)]
        if not any(c):
            return self._p(n - 1, x)
        D, kinds = self.discounts[n - 1], sum(1 for y in c if y)
        return (max(c[x] - D, 0) + D * kinds * self._p(n - 1, x)) / sum(c)


class LongestMatch(_Reader):
    longest = 0

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size

    def predict(self):
        self.longest, place = 0, None
        for n in range(1, len(self.text)):
            found = self.text.rfind(self.text[-n:], 0, -1)
            if found < 0:
                break
            self.longest, place = n, found + n
        if place is None:
            return np.ones(self.vocab_size) / self.vocab_size
        return (np.arange(self.vocab_size) == ord(self.text[place])).astype(np.float64)


class DynamicNetwork:
    def __init__(self, network, params, *, lr=0.002, num_steps=5):
        self.network, self.lr, self.num_steps = network, lr, num_steps
        (hidden_dim, self.vocab_size), self.ctx = params[-2].shape, params[-2].context
        self.params = [param.copy() for param in params]
        [param.attach_grad() for param in self.params]
        self.gradients = []
        self.state = network.init_state(1, hidden_dim, self.ctx)
        self.states, self.chars, self.logits = [], [], None

    def predict(self):
        if self.logits is None:
            return np.ones(self.vocab_size) / self.vocab_size
        return nd.softmax(self.logits, axis=1).asnumpy()[0].astype("float64")

    def read(self, char):
        self.chars.append(char)
        if len(self.chars) > self.num_steps:
            self._learn()
        self.states.append(self.state)
        outputs, self.state = self.network.rnn(self._column([char]), self.state, self.params)
        self.logits = outputs[0]

    def _column(self, chars):
        return nd.array(np.array(chars)[:, None], self.ctx, "int32")

    def _learn(self):
        label = nd.array(self.chars[1:], self.ctx, "int32")
        with autograd.record(train_mode=False):
            outputs, _ = self.network.rnn(self._column(self.chars[:-1]), self.states[0], self.params)
            loss = -nd.pick(nd.log_softmax(outputs[0]), label).mean()
        loss.backward()
        self.gradients.append([param.grad.copy() for param in self.params])
        for k, param in enumerate(self.params):
            square = sum(g[k] ** 2 for g in self.gradients) / len(self.gradients)
            RMS = square**0.5
            param[:] = param - self.lr * param.grad / (RMS + RMS.mean() + 1e-8)
        self.chars, self.states = self.chars[-1:], []


class NeuralCache:
    def __init__(self, model, *, window=500, theta=20.0):
        self.model, self.window, self.theta = model, window, theta
        self.vocab_size, self.keys, self.chars = model.vocab_size, [], []

    def predict(self):
        H = self.model.state[-self.model.network.cell.steps.num_states]
        self.key = H / nd.maximum(nd.norm(H), 1e-10)
        if not self.keys:
            return np.ones(self.vocab_size) / self.vocab_size
        A = nd.softmax(self.theta * nd.dot(self.key, nd.concat(*self.keys, dim=0).T))
        X = nd.one_hot(nd.array(self.chars, A.context), self.vocab_size)
        return nd.dot(A, X)[0].asnumpy().astype("float64")

    def read(self, char):
        self.keys, self.chars = [*self.keys, self.key][-self.window :], [*self.chars, char][-self.window :]


class AdaptiveModel:
    def __init__(self, models, *, lr=0.005, ctx=None):
        self.models, self.vocab_size, self.lr, self.ctx = models, models[0].vocab_size, lr, ctx or mx.cpu()
        self.history = []
        self.W = nd.zeros((len(models), 17 + 2 * len(models)), self.ctx)
        self.m, self.v, self.t = self.W.copy(), self.W.copy(), 0
        self.W.attach_grad()

    def predict(self):
        self.P = np.array([model.predict() for model in self.models])
        nothing = [0] * len(self.models)
        weighted = [0.1 * 0.9**age * log for age, log in enumerate(reversed(self.history))]
        last, recent = (self.history[-1], sum(weighted)) if self.history else (nothing, nothing)
        one_hot = [0] * 16
        one_hot[min(15, max([0, *(model.longest for model in self.models if hasattr(model, "longest"))]))] = 1
        self.f = nd.array([1, *last, *recent, *one_hot], self.ctx)
        return nd.softmax(nd.dot(self.W, self.f)).asnumpy().astype("float64") @ self.P

    def read(self, char):
        given = self.P[:, char]
        with autograd.record():
            loss = -nd.log((nd.softmax(nd.dot(self.W, self.f)) * nd.array(given, self.ctx)).sum())
        loss.backward()
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * self.W.grad
        self.v = 0.999 * self.v + 0.001 * self.W.grad**2
        step = (self.m / (1 - 0.9**self.t)) / ((self.v / (1 - 0.999**self.t)) ** 0.5 + 1e-8)
        self.W[:] = self.W - self.lr * step
        self.history.append(np.log(np.clip(given, 1e-3, None)) / 7)
        for model in self.models:
            model.read(char)


def predict_and_read(model, indices):
    def step(char):
        if char not in range(model.vocab_size):
            raise IndexError(f"{char} is no character of this vocabulary")
        p = model.predict()[char]
        model.read(char)
        return p

    return -np.log(np.clip([step(int(char)) for char in indices], 1e-300, None))
