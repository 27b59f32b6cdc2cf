"""As few statements as will do: comprehensions, itertools, accumulate; plain numbers where they serve."""

import itertools as it
import math
import random
import re
import zipfile
from collections import Counter, namedtuple
from functools import reduce

import mxnet as mx
from mxnet import nd

Params = namedtuple("Params", "W_xh W_hh b_h W_hy b_y")


def load_corpus(source="lyrics", *, max_chars=None):
    raw = open(source, "rb").read()  # noqa: SIM115
    if raw[:2] == b"PK":
        raw = zipfile.ZipFile(source).read(zipfile.ZipFile(source).infolist()[0])
    return re.sub(r"\r\n|\r|\n", " ", raw.decode("utf-8"))[:max_chars]


class Vocab:
    def __init__(self, text, *, min_freq=1, unk=False):
        self.idx_to_char = ["<unk>"][: int(unk)] + sorted(
            c for c, n in Counter(text).items() if n >= min_freq
        )
        self.char_to_idx = {c: i for i, c in enumerate(self.idx_to_char)}
        self.default = 0 if unk else None

    __len__ = lambda self: len(self.idx_to_char)  # noqa: E731

    def encode(self, text):
        found = [self.char_to_idx.get(c, self.default) for c in text]
        if None in found:
            raise ValueError(text[found.index(None)])
        return found

    def decode(self, indices):
        table = dict(enumerate(self.idx_to_char))
        missing = [i for i in indices if i not in table]
        if missing:
            raise IndexError(missing)
        return "".join(table[i] for i in indices)


try_gpu = lambda: mx.gpu() if mx.context.num_gpus() else mx.cpu()  # noqa: E731


def _pair(windows, ctx):
    return tuple(
        nd.array([list(w[a:b]) for w in windows], ctx=ctx, dtype="int32") for a, b in ((0, -1), (1, None))
    )


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    chars = [int(i) for i in corpus_indices][offset:]
    windows = [chars[i : i + num_steps + 1] for i in range(0, len(chars) - num_steps, num_steps)]
    order = (
        rng.permutation(len(windows)) if rng is not None else random.sample(range(len(windows)), len(windows))
    )
    if len(windows) < batch_size:
        raise ValueError("no batch")
    yield from (
        _pair([windows[i] for i in order[k : k + batch_size]], ctx)
        for k in range(0, len(windows) // batch_size * batch_size, batch_size)
    )


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    chars = [int(i) for i in corpus_indices][offset:]
    length = len(chars) // batch_size
    rows = [chars[r * length : r * length + length] for r in range(batch_size)]
    cuts = [[row[i : i + num_steps + 1] for row in rows] for i in range(0, length, num_steps)]
    full = [cut for cut in cuts if len(cut[0]) == num_steps + 1]
    if not full:
        raise ValueError("no batch")
    yield from (_pair(cut, ctx) for cut in full)


def fresh_offset(rng, num_chars, batch_size, num_steps, *, is_random_iter):
    if is_random_iter:
        possible = [o for o in range(num_steps) if (num_chars - o - 1) // num_steps >= batch_size]
    else:
        possible = [o for o in range(batch_size * num_steps) if (num_chars - o) // batch_size > num_steps]
    return possible[int(rng.random() * len(possible))] if possible else 0


def one_hot(indices, vocab_size):
    flat = [int(i) for i in indices.asnumpy().ravel()]
    bad = [i for i in flat if i not in range(vocab_size)]
    if bad:
        raise IndexError(bad[0])
    rows = [[float(i == j) for j in range(vocab_size)] for i in flat]
    return nd.array(rows).reshape((*indices.shape, vocab_size))


def get_inputs(data, vocab_size):
    return [one_hot(nd.array(column), vocab_size) for column in zip(*data.asnumpy().tolist())]


def get_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    sizes = {"x": vocab_size, "h": hidden_dim, "y": vocab_size}
    params = Params(
        *(
            nd.random.normal(scale=scale, shape=(sizes[n[2]], sizes[n[3]]), ctx=ctx)
            if len(n) == 4
            else nd.zeros(sizes[n[2]], ctx=ctx)
            for n in Params._fields
        )
    )
    return [p.attach_grad() for p in params] and params


def init_rnn_state(batch_size, hidden_dim, ctx=None):
    return tuple(nd.zeros((batch_size, hidden_dim), ctx=ctx) for _ in range(1))


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hy, b_y = params
    step = lambda H, X: nd.tanh(b_h + nd.dot(H, W_hh) + nd.dot(X, W_xh))  # noqa: E731
    states = list(it.accumulate(inputs, step, initial=state[0]))
    return tuple(nd.dot(H, W_hy) + b_y for H in states[1:]), (states[-1],)


def cross_entropy(logits, label):
    labels = [int(i) for i in label.asnumpy()]
    if not set(labels) <= set(range(logits.shape[1])):
        raise IndexError(labels)
    logs = logits - logits.max(axis=1, keepdims=True)
    logs = logs - logs.exp().sum(axis=1, keepdims=True).log()
    return reduce(lambda total, pair: total - logs[pair[0], pair[1]], enumerate(labels), 0) / len(labels)


def perplexity(nats_per_char):
    return math.e**nats_per_char if nats_per_char < 700 else math.inf


def grad_clipping(params, theta):
    norm = math.fsum(float(x) ** 2 for p in params for x in p.grad.asnumpy().ravel()) ** 0.5
    if norm != norm or norm == math.inf:
        raise FloatingPointError
    [p.grad.__imul__(theta / norm) for p in params if norm > theta]
    return norm


def sgd(params, lr):
    [p.__setitem__(slice(None), p - lr * p.grad) for p in params]


def init_adam_states(params):
    return [tuple(nd.zeros_like(p) for _ in "mv") for p in params]


def adam(params, states, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
    for (m, v), p in zip(states, params):
        m[:], v[:] = (b * s + (1 - b) * p.grad**k for s, b, k in ((m, beta1, 1), (v, beta2, 2)))
        p[:] = p - lr * m / (1 - beta1**t) / (nd.sqrt(v / (1 - beta2**t)) + eps)


def adamw(params, states, lr, t, *, weight_decay=0.01, **options):
    [p.__imul__(1 - lr * weight_decay) for p in params]
    adam(params, states, lr, t, **options)


def learning_rate(t, lr, *, schedule="constant", warmup=0, num_updates=0):
    if schedule == "cosine" and t > num_updates:
        raise ValueError(t)
    turn = math.pi * max(t - 1 - warmup, 0) / max(num_updates - warmup, 1)
    return lr * min(1, t / (warmup or t)) * {"constant": 1, "cosine": 0.5 + 0.5 * math.cos(turn)}[schedule]


class Optimizer:
    def __init__(self, name, params, lr):
        if name not in {"sgd", "adam"}:
            raise ValueError(name)
        states, steps = init_adam_states(params), it.count(1)
        self.step = {
            "sgd": lambda params: sgd(params, lr),
            "adam": lambda params: adam(params, states, lr, next(steps)),
        }[name]
