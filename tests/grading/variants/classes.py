"""Everything is an object: functions are instances with __call__, samplers are iterators."""

import math
import random
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile, is_zipfile

import mxnet as mx
import numpy as np
from mxnet import nd


class CorpusLoader:
    def __call__(self, source="lyrics", *, max_chars=None):
        path = Path(source)
        if is_zipfile(path):
            with ZipFile(path) as archive:
                text = archive.read(archive.namelist()[0]).decode()
        else:
            text = path.read_text(encoding="utf-8")  # universal newlines
        text = " ".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        return text[:max_chars]


load_corpus = CorpusLoader()


class UnknownCharacter(ValueError):
    pass


class Vocab:
    UNK = "<unk>"

    def __init__(self, text, *, min_freq=1, unk=False):
        counts = {}
        for c in text:
            counts[c] = counts.get(c, 0) + 1
        self._chars = tuple(sorted(c for c in counts if counts[c] >= min_freq))
        if unk:
            self._chars = (self.UNK, *self._chars)
        self._unk = unk

    @property
    def idx_to_char(self):
        return list(self._chars)

    @property
    def char_to_idx(self):
        return {c: i for i, c in enumerate(self._chars)}

    def __len__(self):
        return len(self._chars)

    def encode(self, text):
        table = self.char_to_idx
        if self._unk:
            return [table.get(c, 0) for c in text]
        for c in text:
            if c not in table:
                raise UnknownCharacter(c)
        return [table[c] for c in text]

    def decode(self, indices):
        for i in indices:
            if i < 0:
                raise IndexError(i)
        return "".join(self._chars[int(i)] for i in indices)


class Device:
    def __call__(self):
        return mx.gpu(0) if mx.context.num_gpus() > 0 else mx.cpu(0)


try_gpu = Device()


class Sampler:
    def __init__(self, corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
        self.corpus = np.asarray(list(corpus_indices), dtype=np.int32)[offset:]
        self.batch_size, self.num_steps, self.ctx = batch_size, num_steps, ctx or try_gpu()
        self.rng = rng
        self.k = 0
        self.starts = self.plan()

    def __iter__(self):
        return self

    def __next__(self):
        if not self.starts:
            raise ValueError("the corpus fills no batch")
        if self.k >= len(self.starts):
            raise StopIteration
        data, label = [], []
        for start in self.starts[self.k]:
            data.append(self.corpus[start : start + self.num_steps])
            label.append(self.corpus[start + 1 : start + self.num_steps + 1])
        self.k += 1
        return tuple(nd.array(np.array(rows), ctx=self.ctx, dtype="int32") for rows in (data, label))


class RandomSampler(Sampler):
    def plan(self):
        count = (len(self.corpus) - 1) // self.num_steps
        order = [i * self.num_steps for i in range(count)]
        if self.rng is None:
            random.shuffle(order)
        else:
            self.rng.shuffle(order)
        full = count // self.batch_size
        return [order[k * self.batch_size : (k + 1) * self.batch_size] for k in range(full)]


class ConsecutiveSampler(Sampler):
    def plan(self):
        row = len(self.corpus) // self.batch_size
        full = (row - 1) // self.num_steps
        return [[r * row + k * self.num_steps for r in range(self.batch_size)] for k in range(full)]


data_iter_random = RandomSampler
data_iter_consecutive = ConsecutiveSampler


class OffsetDrawer:
    def __call__(self, rng, num_chars, batch_size, num_steps, *, is_random_iter):
        top = num_steps if is_random_iter else batch_size * num_steps
        spare = num_chars - (batch_size * num_steps + 1 if is_random_iter else batch_size * (num_steps + 1))
        return int(rng.choice(range(max(1, min(top, spare + 1)))))


fresh_offset = OffsetDrawer()


class OneHot:
    def __call__(self, indices, vocab_size):
        rows = indices.asnumpy()
        if not ((rows >= 0) & (rows < vocab_size)).all():
            raise IndexError("no such character")
        return nd.one_hot(indices, vocab_size)


class Inputs:
    def __call__(self, data, vocab_size):
        return [one_hot(data[:, t], vocab_size) for t in range(data.shape[1])]


one_hot = OneHot()
get_inputs = Inputs()


class Params(NamedTuple):
    W_xh: nd.NDArray
    W_hh: nd.NDArray
    b_h: nd.NDArray
    W_hy: nd.NDArray
    b_y: nd.NDArray


class Cell:
    def params(self, vocab_size, hidden_dim, ctx=None, *, scale=0.01):
        def matrix(*shape):
            return nd.random.randn(*shape, loc=0, scale=scale, ctx=ctx or mx.cpu())

        made = Params(
            W_xh=matrix(vocab_size, hidden_dim),
            W_hh=matrix(hidden_dim, hidden_dim),
            b_h=nd.zeros((hidden_dim,), ctx=ctx),
            W_hy=matrix(hidden_dim, vocab_size),
            b_y=nd.zeros((vocab_size,), ctx=ctx),
        )
        [p.attach_grad() for p in made]
        return made

    def state(self, batch_size, hidden_dim, ctx=None):
        return (nd.zeros(shape=(batch_size, hidden_dim), ctx=ctx),)

    def __call__(self, inputs, state, params):
        H, outputs = state[0], []
        for X in inputs:
            Y, H = self.step(X, H, params)
            outputs.append(Y)
        return outputs, (H,)

    def step(self, X, H, p):
        H = (nd.dot(X, p.W_xh) + nd.dot(H, p.W_hh) + p.b_h).tanh()
        return nd.dot(H, p.W_hy) + p.b_y, H


rnn = Cell()
get_params, init_rnn_state = rnn.params, rnn.state


class CrossEntropy:
    def __call__(self, logits, label):
        low, high = label.min().asscalar(), label.max().asscalar()
        if low < 0 or high >= logits.shape[1]:
            raise IndexError("no such label")
        return -(logits.log_softmax(axis=-1) * nd.one_hot(label, logits.shape[1])).sum(axis=1).mean()


class Perplexity:
    def __call__(self, nats_per_char):
        return math.exp(nats_per_char) if nats_per_char < 709 else math.inf


cross_entropy, perplexity = CrossEntropy(), Perplexity()


class Clipper:
    def __call__(self, params, theta):
        norm = self.norm(params)
        if not math.isfinite(norm):
            raise FloatingPointError("norm")
        scale = min(1, theta / norm) if norm else 1
        for p in params:
            p.grad[:] = p.grad * scale
        return norm

    def norm(self, params):
        return math.sqrt(sum(float((p.grad.astype("float64") ** 2).sum().asscalar()) for p in params))


grad_clipping = Clipper()


class Descent:
    def __call__(self, params, lr):
        for p in params:
            p -= lr * p.grad  # in place


sgd = Descent()


class Adam:
    @staticmethod
    def start(params):
        return [[nd.zeros(p.shape), nd.zeros(p.shape)] for p in params]

    def __call__(self, params, states, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
        for p, s in zip(params, states):
            s[0][:] *= beta1
            s[0][:] += (1 - beta1) * p.grad
            s[1][:] *= beta2
            s[1][:] += (1 - beta2) * p.grad.square()
            root = (s[1] / (1 - beta2**t)).sqrt() + eps
            p[:] -= lr / (1 - beta1**t) * s[0] / root


adam = Adam()
init_adam_states = Adam.start


class Optimizer:
    def __new__(cls, name, params, lr):
        if cls is Optimizer:
            cls = {
                kind.__name__.lower(): kind
                for kind in Optimizer.__subclasses__()
                if kind.__name__.lower() == name
            }.get(name)
            if cls is None:
                raise ValueError(f"no optimizer {name}")
        return object.__new__(cls)

    def __init__(self, name, params, lr):
        self.lr = lr
        self.steps = 0
        self.states = init_adam_states(params)


class SGD(Optimizer):
    def step(self, params):
        sgd(params, self.lr)


class ADAM(Optimizer):
    def step(self, params):
        self.steps += 1
        adam(params, self.states, self.lr, self.steps)
