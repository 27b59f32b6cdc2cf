"""Lesson 20. Learning while reading: what a text has shown so far is the best guide to how it goes on.

Each model takes turns: predict() gives the probabilities of the next character, float64 of (vocab_size,), and
read(char) tells it which one came. No prediction can depend on a character that has not been read.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from mxnet import nd

from .checks import check_size, to_indices
from .optim import EPS, Optimizer
from .sampling import try_gpu

DISCOUNTS = (0.75, 0.8, 0.9, 0.95, 0.85, 0.2, 0.4, 0.5)  # of orders 1 to 8


class OnlineKneserNey:
    """Interpolated Kneser-Ney of order len(discounts), whose counts go on while it reads.

    P_n(x | h) = (max(c(h x) - D_n, 0) + D_n kinds(h) P_{n-1}(x | h')) / c(h) as in lesson 18: in the highest
    order c counts occurrences, below it the different characters that were seen before h x.
    """

    def __init__(self, vocab_size: int, discounts: Sequence[float] = DISCOUNTS) -> None:
        check_size(vocab_size=vocab_size, order=len(discounts))
        self.vocab_size, self.discounts = vocab_size, discounts
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self.histories: list[tuple[int, ...]] = [()]  # the last 0, 1, 2, … characters

    def predict(self) -> np.ndarray:
        """P of the longest history that has been seen."""
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for h, D in zip(self.histories, self.discounts):
            if h in self.counts:
                c = np.array(list(self.counts[h].values()))
                p *= D * len(c) / c.sum()
                p[list(self.counts[h])] += (c - D) / c.sum()
        return p

    def read(self, char: int) -> None:
        """Count char after each history, the longest first, and stop where it had been seen before."""
        for h in reversed(self.histories):
            self.counts[h][char] += 1
            if self.counts[h][char] > 1:
                break
        self.histories = [(), *((*h, char) for h in self.histories)][: len(self.discounts)]


class DynamicNetwork:
    """A network of lesson 15 that is trained on what it reads: dynamic evaluation (Krause et al. 2018).

    After every num_steps characters each parameter moves by -lr g / (RMS + mean RMS): g is the gradient of
    their loss, RMS the root of the mean of all g^2 so far, and its mean over the parameter keeps what is
    rarely used from leaping. While .lr is 0 it only collects g^2. The params that are given stay as they are.
    """

    def __init__(self, network: Any, params: Any, *, lr: float = 0.002, num_steps: int = 5) -> None:
        check_size(num_steps=num_steps)
        (hidden_dim, self.vocab_size), self.ctx = params[-2].shape, params[-2].context  # of W_hy
        self.network, self.lr, self.num_steps, self.num_updates = network, lr, num_steps, 0
        self.params, self.squares = [W.copy() for W in params], [nd.zeros_like(W) for W in params]
        for param in self.params:
            param.attach_grad()
        self.state = self.first_state = network.init_state(1, hidden_dim, self.ctx)
        self.logits, self.chars = nd.zeros((1, self.vocab_size), ctx=self.ctx), list[int]()  # to train on

    def predict(self) -> np.ndarray:
        """softmax of the last output; uniform before anything is read."""
        return nd.softmax(self.logits[0]).asnumpy().astype(float)

    def read(self, char: int) -> None:
        """Train on num_steps characters, if char is the label of the last of them; then take one step."""
        chars = nd.array([[*self.chars, char]], self.ctx, "int32")
        if len(self.chars) == self.num_steps:
            self.network.learn(chars[:, :-1], chars[:, 1:], self.first_state, self.params)
            self.num_updates += 1
            for param, squares in zip(self.params, self.squares):
                squares += param.grad**2
                RMS = nd.sqrt(squares / self.num_updates)
                param -= self.lr * param.grad / (RMS + RMS.mean() + EPS)
            self.chars, self.first_state = [], self.state
        self.chars.append(char)
        (self.logits,), self.state = self.network.rnn(chars[:, -1:], self.state, self.params)


class NeuralCache:
    """A memory of the network's last states, each with the character that followed (Grave et al. 2017).

    P(x) = sum of softmax_j(theta cos(key_t, key_j)) over the places j that x followed; key_t is the top H_t.
    """

    def __init__(self, model: DynamicNetwork, *, window: int = 500, theta: float = 20.0) -> None:
        self.model, self.vocab_size, self.theta = model, model.vocab_size, theta
        self.memory: deque[tuple[nd.NDArray, int]] = deque(maxlen=window)

    def predict(self) -> np.ndarray:
        """Uniform before anything is read."""
        self.key = nd.L2Normalization(self.model.state[-self.model.network.cell.steps.num_states])[0]
        if not self.memory:
            return np.full(self.vocab_size, 1 / self.vocab_size)
        keys, followers = zip(*self.memory)
        weights = nd.softmax(self.theta * nd.dot(nd.stack(*keys), self.key)).asnumpy()
        return np.bincount(followers, weights, self.vocab_size)

    def read(self, char: int) -> None:
        """Char followed the key of the last prediction."""
        self.memory.append((self.key, char))


class LongestMatch:
    """A pointer: find the longest end of the text that occurred before, and say what followed it there.

    Of each place j, lengths[j] is how many characters up to text[j] equal the last ones read. When char is
    read, it becomes lengths[j - 1] + 1 where text[j] = char, and 0 elsewhere.
    """

    def __init__(self, vocab_size: int) -> None:
        check_size(vocab_size=vocab_size)
        self.vocab_size, self.longest = vocab_size, 0
        self.text, self.lengths = np.array([], int), np.array([], int)

    def predict(self) -> np.ndarray:
        """1 for what followed the last of the longest matches; uniform where there is none."""
        self.longest = int(self.lengths.max(initial=0))
        chars = self.text[1:][self.lengths == self.longest][-1:] if self.longest else range(self.vocab_size)
        return np.bincount(chars, minlength=self.vocab_size) / len(chars)

    def read(self, char: int) -> None:
        """Lengthen or end every match."""
        self.lengths = np.where(self.text == char, np.append(0, self.lengths)[: len(self.text)] + 1, 0)
        self.text = np.append(self.text, char)


class AdaptiveModel:
    """Models, and a gate that learns how to weight them: P = sum_k g_k P_k, where g = softmax(W f).

    f: 1; log P_k of the last character and its running mean, as far as -1; the length of the match, one-hot.
    After each character Adam takes W up the gradient of log P(char), (r - g) f^T, where r_k = g_k P_k / P.
    """

    def __init__(self, models: Sequence[Any], *, lr: float = 0.005, ctx: Any = None) -> None:
        self.models, self.vocab_size, self.ctx = models, models[0].vocab_size, ctx or try_gpu()
        self.last = self.recent = np.array([0.0] * len(models))
        self.W = nd.zeros((len(models), 1 + 2 * len(models) + 16), ctx=self.ctx)
        self.W.attach_grad()
        self.optimizer = Optimizer("adam", [self.W], lr)

    def predict(self) -> np.ndarray:
        """The mixture."""
        self.each = np.stack([model.predict() for model in self.models])
        longest = min(15, max(getattr(model, "longest", 0) for model in self.models))
        self.f = nd.array([[1.0, *self.last, *self.recent, *np.eye(16)[longest]]], self.ctx)
        self.g = nd.softmax(nd.dot(self.f, self.W.T))[0].asnumpy().astype(float)
        return self.g @ self.each

    def read(self, char: int) -> None:
        """Train the gate, then let every model read."""
        given = self.each[:, char]
        r = self.g * given / (self.g @ given)
        self.W.grad[:] = -nd.dot(nd.array([r - self.g], self.ctx).T, self.f)
        self.optimizer.step([self.W])
        self.last = np.log(np.maximum(given, 0.001)) / 7  # a pointer may give 0
        self.recent = 0.9 * self.recent + 0.1 * self.last
        for model in self.models:
            model.read(char)


def predict_and_read(model: Any, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Predict each character of a text, then read it. -log P of each, in nats: (len(indices),) float64."""
    p = []
    for char in to_indices(indices, model.vocab_size, ndim=1).tolist():
        p.append(model.predict()[char])
        model.read(char)
    return -np.log(np.maximum(p, 1e-300))  # a 0, which a pointer may give, costs 691 nats
