"""Plain dictionaries and lists for lesson 20; networks are read from their beginning time and again."""

import math
from collections import defaultdict

import numpy as np
from mxnet import nd


class OnlineKneserNey:
    def __init__(self, vocab_size, discounts=(0.75, 0.8, 0.9, 0.95, 0.85, 0.2, 0.4, 0.5)):
        self.vocab_size, self.discounts, self.text = vocab_size, list(discounts), []

    def predict(self):
        text, order = self.text, len(self.discounts)
        p = [1 / self.vocab_size] * self.vocab_size
        for n, D in enumerate(self.discounts):
            if n > len(text):
                break
            history, times, before = text[len(text) - n :], defaultdict(int), defaultdict(set)
            for i in range(n, len(text)):
                if text[i - n : i] == history:
                    times[text[i]] += 1
                    before[text[i]].add(text[i - n - 1] if i > n else None)
            c = times if n == order - 1 else {x: len(chars) for x, chars in before.items()}
            total = sum(c.values())
            if total:
                saved = D * len(c)
                p = [(max(c.get(x, 0) - D, 0) + saved * p[x]) / total for x in range(self.vocab_size)]
        return np.array(p)

    def read(self, char):
        self.text.append(char)


class LongestMatch:
    def __init__(self, vocab_size):
        self.vocab_size, self.text, self.longest = vocab_size, [], 0

    def predict(self):
        best, self.longest = None, 0
        for place in range(1, len(self.text)):
            n = 0
            while n < place and self.text[place - 1 - n] == self.text[-1 - n]:
                n += 1
            if n and n >= self.longest:
                best, self.longest = self.text[place], n
        p = np.zeros(self.vocab_size)
        if best is None:
            p[:] = 1 / self.vocab_size
        else:
            p[best] = 1
        return p

    def read(self, char):
        self.text.append(char)


class DynamicNetwork:
    def __init__(self, network, params, *, lr=0.002, num_steps=5):
        self.network, self.lr, self.num_steps = network, lr, num_steps
        self.hidden_dim, self.vocab_size = params[-2].shape
        self.ctx = params[-2].context
        self.params = [nd.array(W.asnumpy(), ctx=self.ctx) for W in params]
        for W in self.params:
            W.attach_grad()
        self.squares = [np.zeros(W.shape) for W in self.params]
        self.steps = 0
        self.segment = []
        self.begin = self.state = network.init_state(1, self.hidden_dim, self.ctx)
        self.p = np.full(self.vocab_size, 1 / self.vocab_size)

    def predict(self):
        return self.p

    def read(self, char):
        if len(self.segment) == self.num_steps:
            self.step(self.segment, self.segment[1:] + [char])
            self.segment, self.begin = [], self.state
        self.segment.append(char)
        X = nd.array([[char]], ctx=self.ctx, dtype="int32")
        outputs, self.state = self.network.rnn(X, self.state, self.params)
        logits = outputs[0].asnumpy()[0].astype(float)
        e = np.exp(logits - logits.max())
        self.p = e / e.sum()

    def step(self, data, label):
        data, label = (nd.array([row], ctx=self.ctx, dtype="int32") for row in (data, label))
        self.network.learn(data, label, self.begin, self.params)
        self.steps += 1
        for W, squares in zip(self.params, self.squares):
            g = W.grad.asnumpy().astype(float)
            squares += g * g
            rms = (squares / self.steps) ** 0.5
            W[:] = nd.array(W.asnumpy() - self.lr * g / (rms + rms.mean() + 1e-8), ctx=self.ctx)


class NeuralCache:
    def __init__(self, model, *, window=500, theta=20.0):
        self.model, self.window, self.theta, self.vocab_size = model, window, theta, model.vocab_size
        self.pairs = []

    def predict(self):
        H = self.model.state[-self.model.network.cell.steps.num_states].asnumpy()[0].astype(float)
        self.key = H / max(math.sqrt((H * H).sum()), 1e-10)
        p = np.zeros(self.vocab_size)
        for key, char in self.pairs[-self.window :]:
            p[char] += math.exp(self.theta * float(key @ self.key))
        return p / p.sum() if p.any() else np.full(self.vocab_size, 1 / self.vocab_size)

    def read(self, char):
        self.pairs.append((self.key, char))


class AdaptiveModel:
    def __init__(self, models, *, lr=0.005, ctx=None):
        self.models, self.lr, self.vocab_size = models, lr, models[0].vocab_size
        K = len(models)
        self.W, self.m, self.v = (np.zeros((K, 1 + 2 * K + 16)) for _ in range(3))
        self.t, self.last, self.recent = 0, [0.0] * K, [0.0] * K

    def predict(self):
        self.P = [np.asarray(model.predict(), float) for model in self.models]
        f = [1.0, *self.last, *self.recent]
        longest = min(15, max(getattr(model, "longest", 0) for model in self.models))
        f += [1.0 if n == longest else 0.0 for n in range(16)]
        self.f = np.array(f)
        a = self.W @ self.f
        e = np.exp(a - a.max())
        self.g = e / e.sum()
        return sum(g * p for g, p in zip(self.g, self.P))

    def read(self, char):
        given = [float(p[char]) for p in self.P]
        shares = self.g * np.array(given)
        gradient = np.outer(self.g - shares / shares.sum(), self.f)
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        self.W -= self.lr * m / (np.sqrt(v) + 1e-8)
        self.last = [math.log(p if p > 0.001 else 0.001) / 7 for p in given]
        self.recent = [0.9 * old + 0.1 * new for old, new in zip(self.recent, self.last)]
        for model in self.models:
            model.read(char)


def predict_and_read(model, indices):
    nats = []
    for char in np.asarray(indices).tolist():
        if not 0 <= char < model.vocab_size:
            raise IndexError(char)
        nats.append(-math.log(max(model.predict()[char], 1e-300)))
        model.read(char)
    return np.array(nats)
