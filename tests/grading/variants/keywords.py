"""Options stand in another order, and every call names its arguments."""

import codecs
import io
import math
import os
import zipfile

import mxnet as mx
import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray


def load_corpus(source="lyrics", *, max_chars=None, encoding="utf-8"):
    path = os.path.expanduser(path=source)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} is not there")
    if zipfile.is_zipfile(filename=path):
        with (
            zipfile.ZipFile(file=path, mode="r") as archive,
            archive.open(name=archive.namelist()[0]) as member,
        ):
            text = io.TextIOWrapper(buffer=member, encoding=encoding, newline="").read()
    else:
        with codecs.open(filename=path, mode="rb") as file:
            text = file.read().decode(encoding=encoding)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines.translate(str.maketrans({"\n": " "}))[slice(max_chars)]


class Vocab:
    def __init__(self, text, *, unk=False, min_freq=1):
        self.unk = unk
        kept = [c for c in sorted(set(text), key=ord) if text.count(c) >= min_freq]
        self.idx_to_char = (["<unk>"] if unk else []) + kept
        self.char_to_idx = dict(map(reversed, enumerate(self.idx_to_char)))

    def __len__(self):
        return len(self.idx_to_char)

    def encode(self, text):
        try:
            return [self.char_to_idx[c] if not self.unk else self.char_to_idx.get(c, 0) for c in text]
        except KeyError as error:
            raise ValueError(f"no character of mine: {error}") from None

    def decode(self, indices):
        indices = list(indices)
        if any(not 0 <= index < len(self) for index in indices):
            raise IndexError(str(indices))
        return "".join(map(self.idx_to_char.__getitem__, indices))


def try_gpu():
    return mx.gpu(device_id=0) if mx.context.num_gpus() else mx.cpu(device_id=0)


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, offset=0, rng=None):
    corpus = corpus_indices[offset:]
    starts = list(range(0, len(corpus) - num_steps, num_steps))
    if len(starts) < batch_size:
        raise ValueError(f"{len(starts)} windows for a batch of {batch_size}")
    np.random.default_rng(seed=rng).shuffle(x=starts)
    while len(starts) >= batch_size:
        taken, starts = starts[:batch_size], starts[batch_size:]
        yield batch_of(starts=taken, num_steps=num_steps, corpus=corpus, ctx=ctx)


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, *, offset=0, rng=None):
    corpus = corpus_indices[offset:]
    row_len = len(corpus) // batch_size
    if row_len <= num_steps:
        raise ValueError(f"rows of {row_len} characters hold no window")
    for column in range(0, row_len - num_steps, num_steps):
        starts = [row * row_len + column for row in range(batch_size)]
        yield batch_of(num_steps=num_steps, corpus=corpus, starts=starts, ctx=ctx)


def batch_of(*, ctx, corpus, num_steps, starts):
    pair = ([corpus[s + shift : s + shift + num_steps] for s in starts] for shift in (0, 1))
    return tuple(nd.array(source_array=rows, dtype=np.int32, ctx=ctx) for rows in pair)


def fresh_offset(rng, num_chars, batch_size, num_steps, *, is_random_iter):
    needed = {True: batch_size * num_steps + 1, False: batch_size * num_steps + batch_size}[is_random_iter]
    wanted = {True: num_steps, False: num_steps * batch_size}[is_random_iter]
    return int(rng.integers(low=0, high=max(1, min(wanted, num_chars - needed + 1))))


def one_hot(indices, vocab_size):
    if (indices < 0).sum().asscalar() or (indices >= vocab_size).sum().asscalar():
        raise IndexError(f"indices outside 0 … {vocab_size - 1}")
    return nd.one_hot(depth=vocab_size, indices=indices, dtype="float32")


def get_inputs(data, vocab_size):
    cube = one_hot(vocab_size=vocab_size, indices=data)
    return [cube.slice_axis(axis=1, begin=t, end=t + 1).squeeze(axis=1) for t in range(cube.shape[1])]


def get_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    from collections import OrderedDict, namedtuple

    shapes = OrderedDict(
        W_xh=(vocab_size, hidden_dim),
        W_hh=(hidden_dim, hidden_dim),
        b_h=(hidden_dim,),
        W_hy=(hidden_dim, vocab_size),
        b_y=(vocab_size,),
    )
    values = {}
    for name in reversed(shapes):
        make = nd.zeros if name.startswith("b") else nd.random.normal
        options = {} if name.startswith("b") else {"scale": scale, "loc": 0.0}
        values[name] = make(shape=shapes[name], ctx=ctx, **options)
        values[name].attach_grad(grad_req="write")
    return namedtuple(typename="Params", field_names=list(shapes))(**values)


def init_rnn_state(batch_size, hidden_dim, ctx=None):
    H = nd.zeros(ctx=ctx, shape=(batch_size, hidden_dim))
    return (H,)


def rnn(inputs, state, params):
    named = params._asdict()
    states = [state[0]]
    for X in inputs:
        from_below = nd.dot(lhs=X, rhs=named["W_xh"])
        from_before = nd.dot(lhs=states[-1], rhs=named["W_hh"])
        states.append(nd.tanh(data=from_below + from_before + named["b_h"]))
    outputs = [nd.broadcast_add(lhs=nd.dot(lhs=H, rhs=named["W_hy"]), rhs=named["b_y"]) for H in states[1:]]
    return outputs, (states[-1],)


def cross_entropy(logits, label):
    checked = one_hot(vocab_size=logits.shape[1], indices=label)
    log_p = nd.log_softmax(axis=1, data=logits)
    return nd.mean(data=-nd.sum(data=checked * log_p, axis=1))


def perplexity(nats_per_char):
    value = nats_per_char.asscalar() if isinstance(nats_per_char, NDArray) else nats_per_char
    try:
        return math.exp(value)
    except OverflowError:
        return float("inf")


def grad_clipping(params, theta):
    norms = [param.grad.norm().asscalar() for param in params]
    total = math.hypot(*map(float, norms))
    if math.isnan(total) or math.isinf(total):
        raise FloatingPointError(f"norm {total}")
    if total <= theta:
        return total
    for param in params:
        nd.elemwise_mul(lhs=param.grad, rhs=nd.full(shape=param.shape, val=theta / total), out=param.grad)
    return total


def sgd(params, lr):
    for param in params:
        nd.sgd_update(weight=param, grad=param.grad, lr=lr, wd=0, out=param)


def init_adam_states(params):
    return [(nd.zeros_like(data=param), nd.zeros_like(data=param)) for param in params]


def adam(params, states, lr, t, *, eps=1e-8, beta2=0.999, beta1=0.9):
    for param, (mean, square) in zip(params, states):
        mean[:] = mean + (1 - beta1) * (param.grad - mean)
        square[:] = square + (1 - beta2) * (param.grad**2 - square)
        bias1, bias2 = 1 - beta1**t, 1 - beta2**t
        param[:] = param - (lr / bias1) * mean / ((square / bias2) ** 0.5 + eps)


def adamw(params, states, lr, t, *, eps=1e-8, beta2=0.999, beta1=0.9, weight_decay=0.01):
    before = [nd.array(param) for param in params]
    adam(params=params, states=states, lr=lr, t=t, eps=eps, beta1=beta1, beta2=beta2)
    for param, old in zip(params, before):
        param[:] = param - lr * weight_decay * old


def learning_rate(t, lr, *, num_updates=None, warmup=0, schedule="constant"):
    if t < warmup:
        return t * lr / warmup
    if schedule == "constant":
        return lr
    if t == warmup:
        return lr
    done, left = t - 1 - warmup, num_updates - warmup
    return lr * math.cos(math.pi / 2 * done / left) ** 2


class Optimizer:
    def __init__(self, name, params, lr):
        self.options = {"lr": lr}
        if name == "adam":
            self.options.update(states=init_adam_states(params=params), t=0)
            self.update = adam
        elif name == "sgd":
            self.update = sgd
        else:
            raise ValueError(f"{name}: sgd or adam")

    def step(self, params):
        if "t" in self.options:
            self.options["t"] += 1
        self.update(params=params, **self.options)
