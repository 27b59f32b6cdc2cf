"""Lessons 8 to 18 with Gluon's own parts where it has them, generators, closures, and arguments by name."""

import itertools
import json
import math
import os
import shutil
import zlib
from collections import Counter, OrderedDict, deque, namedtuple
from functools import partial, reduce
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd


class Writer:
    """Reads, chooses, and reads what it has chosen."""

    def __init__(self, rnn, params, init_state, hidden_dim, vocab, ctx):
        self.rnn, self.params, self.vocab = rnn, params, vocab
        self.ctx = params[0].context if ctx is None else ctx
        self.state = init_state(batch_size=1, hidden_dim=hidden_dim, ctx=self.ctx)

    def read(self, index):
        X = nd.one_hot(nd.array([index], ctx=self.ctx), depth=len(self.vocab))
        (Y,), self.state = self.rnn([X], self.state, self.params)
        return Y[0]

    def write(self, prefix, num_chars, choose):
        if prefix == "":
            raise ValueError("nothing to go on from")
        indices = self.vocab.encode(prefix)
        *first, last = indices
        for index in first:
            self.read(index)
        for _ in range(num_chars):
            last = choose(self.read(last))
            indices.append(last)
        return self.vocab.decode(indices)


def _likeliest(Y):
    return int(Y.argmax(axis=0).asscalar())


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    writer = Writer(rnn, params, init_state, hidden_dim, vocab, ctx)
    return writer.write(prefix=prefix, num_chars=num_chars, choose=_likeliest)


def generate(
    prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None,
    *, seed=None, top_p=None, top_k=None, temperature=1.0,
):  # fmt: skip
    import random

    if not (temperature >= 0 and (top_k is None or top_k >= 1) and (top_p is None or 0 < top_p <= 1)):
        raise ValueError("temperature, top_k or top_p is out of range")
    chance = random.Random(seed)

    def choose(Y):
        if temperature == 0:
            return _likeliest(Y)
        p = nd.softmax(Y, temperature=temperature).asnumpy().tolist()
        ranked = sorted(range(len(p)), key=lambda i: -p[i])[:top_k]
        if top_p is not None:
            whole, kept = sum(p[i] for i in ranked), []
            for i in ranked:
                kept.append(i)
                if sum(p[j] for j in kept) >= top_p * whole - 1e-7:
                    break
            ranked = kept
        return chance.choices(ranked, weights=[p[i] for i in ranked])[0]

    return Writer(rnn, params, init_state, hidden_dim, vocab, ctx).write(prefix, num_chars, choose)


_LOSS = gluon.loss.SoftmaxCrossEntropyLoss()


def _run(network, inputs, label, *given):
    """Outputs step by step, the state, and the loss of every character, time-major."""
    outputs, state = network(inputs, *given)
    return state, _LOSS(nd.concat(*outputs, dim=0), label.T.reshape((-1,)))


def train_batches(
    rnn, params, init_state, batches, optimizer, clipping_theta,
    *, state=None, get_inputs=lambda data, size: list(nd.one_hot(data.T, size)), is_random_iter,
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    for data, label in batches:
        fresh = state is None or is_random_iter
        state = init_state(len(data), hidden_dim, data.context) if fresh else [nd.BlockGrad(S) for S in state]
        state = tuple(S.copy().detach() for S in state)
        with autograd.record():
            state, losses = _run(rnn, get_inputs(data, vocab_size), label, state, params)
            loss = nd.mean(losses)
        autograd.backward([loss])
        gluon.utils.clip_global_norm([p.grad for p in params], clipping_theta)
        optimizer.step(params)
        yield loss.asscalar().item(), losses.size, state


def train_epoch(rnn, params, init_state, batches, optimizer, clipping_theta, *, is_random_iter):
    steps = train_batches(
        clipping_theta=clipping_theta, optimizer=optimizer, batches=batches, init_state=init_state,
        params=params, rnn=rnn, is_random_iter=is_random_iter,
    )  # fmt: skip
    nats, characters = reduce(lambda t, s: (t[0] + s[0] * s[1], t[1] + s[1]), steps, (0.0, 0))
    return math.exp(nats / characters)


def evaluate(
    rnn, params, init_state, indices, batch_size, num_steps, ctx=None,
    *, get_inputs=lambda data, size: list(nd.one_hot(data.T, size)),
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    batch_size = min(batch_size, len(indices) // 2)
    row_len = len(indices) // batch_size
    rows = nd.array(np.reshape(list(indices)[: batch_size * row_len], (batch_size, row_len)), ctx)
    state, nats = init_state(batch_size, hidden_dim, ctx), []
    for start in range(0, row_len - 1, num_steps):
        stop = min(start + num_steps, row_len - 1)
        data, label = rows[:, start:stop], rows[:, start + 1 : stop + 1]
        state, losses = _run(rnn, get_inputs(data, vocab_size), label, state, params)
        nats += losses.asnumpy().tolist()
    return math.exp(math.fsum(nats) / len(nats))


def train_and_predict_rnn(
    rnn, get_params, init_state, hidden_dim, vocab, corpus_indices, *, seed=0, prefixes=("分开", "不分开"),
    pred_len=50, pred_period=50, optimizer="sgd", batch_size=32, clipping_theta=1e-2, lr=1e2, num_steps=35,
    num_epochs=250, is_random_iter=True, ctx=None,
):  # fmt: skip
    mx.random.seed(seed)
    params = get_params(len(vocab), hidden_dim, ctx)
    updater = Optimizer(name=optimizer, params=params, lr=lr)  # noqa: F821
    sampler = data_iter_random if is_random_iter else data_iter_consecutive  # noqa: F821

    def epochs():
        for epoch in range(num_epochs):
            rng = np.random.default_rng([seed, epoch])
            yield train_epoch(
                rnn, params, init_state, sampler(corpus_indices, batch_size, num_steps, ctx, rng=rng),
                updater, clipping_theta, is_random_iter=is_random_iter,
            )  # fmt: skip

    history = []
    for perplexity in epochs():
        history.append(perplexity)
        if len(history) % pred_period == 0:
            lines = [f"epoch {len(history)}, perplexity {perplexity:f}, time 0.01 sec"]
            for prefix in prefixes:
                written = predict_rnn(prefix, pred_len, rnn, params, init_state, hidden_dim, vocab, ctx)
                lines.append(f" - {written}")
            print("\n".join(lines))
    return history


Step = namedtuple("Step", "X H_before H dY")


def _steps(inputs, label, state, params, scale):
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    for X, wanted in zip(inputs, label.T):
        before, H = H, nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        Y = nd.dot(H, W_hy) + b_y
        yield (
            Step(X, before, H, (nd.softmax(Y) - nd.one_hot(wanted, b_y.size)) * scale),
            nd.pick(nd.log_softmax(Y), wanted),
        )


def bptt(inputs, label, state, params):
    steps, logs = zip(*_steps(inputs, label, state, params, 1 / label.size))
    back, total = 0, [nd.zeros(p.shape) for p in params]
    for X, before, H, dY in reversed(steps):
        slope = nd.ones_like(H) - nd.square(H)
        dA = (nd.dot(dY, params[3], transpose_b=True) + back) * slope
        back = nd.dot(dA, params[1], transpose_b=True)
        parts = (
            nd.dot(X, dA, transpose_a=True), nd.dot(before, dA, transpose_a=True), nd.sum(dA, axis=0),
            nd.dot(H, dY, transpose_a=True), nd.sum(dY, axis=0),
        )  # fmt: skip
        total = [a + b for a, b in zip(total, parts)]
    return -nd.mean(nd.concat(*logs, dim=0)), total


def grad_norms_by_lag(inputs, label, state, params):
    steps = [step for step, _ in _steps(inputs, label, state, params, 1 / len(label))]
    dH, norms = nd.dot(steps[-1].dY, params[3].T), deque()
    while steps:
        norms.append(float(nd.sqrt(nd.sum(dH * dH)).asscalar()))
        dH = nd.dot(dH * (1 - steps.pop().H ** 2), params[1].T)
    return list(norms)


def _params_of(letters, vocab_size, hidden_dim, ctx, scale):
    names = [part + g for g in letters for part in ("W_x", "W_h", "b_")] + ["W_hy", "b_y"]
    arrays = OrderedDict()
    for name in names:
        first, last = name[-2], name[-1]
        size = vocab_size if last == "y" else hidden_dim
        shape = (size,) if name[0] == "b" else ((vocab_size if first == "x" else hidden_dim), size)
        parameter = gluon.Parameter(
            name, shape=shape, init=mx.init.Zero() if name[0] == "b" else mx.init.Normal(scale)
        )
        parameter.initialize(ctx=ctx or mx.cpu())
        arrays[name] = parameter.data()
    return namedtuple("Params", names)(**arrays)


def get_gru_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    return _params_of("zrh", vocab_size, hidden_dim, ctx, scale)


def get_lstm_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    return _params_of("ifoc", vocab_size, hidden_dim, ctx, scale)


def init_gru_state(batch_size, hidden_dim, ctx=None):
    return (nd.full((batch_size, hidden_dim), 0, ctx=ctx),)


def init_lstm_state(batch_size, hidden_dim, ctx=None):
    return tuple(nd.full((batch_size, hidden_dim), 0, ctx=ctx) for _ in "HC")


class Cell:
    """A cell as a function of one step; calling it reads all steps."""

    def __init__(self, step):
        self.step = step

    def __call__(self, inputs, state, params):
        *gates, W_hy, b_y = params
        gates = list(zip(*[iter(gates)] * 3))
        outputs = []
        for X in inputs:
            state = self.step(X, gates, *state)
            outputs.append(nd.FullyConnected(state[0], W_hy.T, b_y, num_hidden=len(b_y)))
        return outputs, state


def _affine(X, H, gate):
    return nd.dot(X, gate[0]) + nd.dot(H, gate[1]) + gate[2]


def _gru_step(X, gates, H, *, after=False):
    z, r, (W_x, W_h, b) = gates
    Z, R = (nd.Activation(_affine(X, H, gate), "sigmoid") for gate in (z, r))
    reset = R * nd.dot(H, W_h) if after else nd.dot(R * H, W_h)
    return (nd.where(Z < 2, Z * H + (1 - Z) * nd.tanh(nd.dot(X, W_x) + reset + b), H),)


def _lstm_step(X, gates, H, C):
    i, f, o = (nd.sigmoid(_affine(X, H, gate)) for gate in gates[:3])
    C = nd.elemwise_add(f * C, i * nd.tanh(_affine(X, H, gates[3])))
    return o * nd.tanh(C), C


gru = Cell(_gru_step)
gru_reset_after = Cell(partial(_gru_step, after=True))
lstm = Cell(_lstm_step)


class RNNModel(gluon.nn.Block):
    def __init__(self, rnn_layer, vocab_size, **options):
        super().__init__(**options)
        self.layer, self.vocab_size = rnn_layer, vocab_size
        shape = rnn_layer.state_info(batch_size=1)[0]["shape"]
        self.num_layers, self.hidden_dim, self.kinds = shape[0], shape[-1], len(rnn_layer.state_info())
        with self.name_scope():
            self.output = gluon.nn.Dense(vocab_size, flatten=False, in_units=self.hidden_dim)

    def forward(self, inputs, state):
        table = nd.stack(*state).reshape((self.num_layers, self.kinds, *state[0].shape))
        H, after = self.layer(nd.stack(*inputs), [table[:, i] for i in range(self.kinds)])
        logits = self.output(H)
        return [logits[t] for t in range(len(logits))], tuple(
            after[i][k] for k in range(self.num_layers) for i in range(self.kinds)
        )

    def begin_state(self, batch_size, ctx=None):
        states = self.layer.begin_state(batch_size=batch_size, func=nd.zeros, ctx=ctx)
        return tuple(S[k] for k in range(self.num_layers) for S in states)


def get_rnn_model(cell, vocab_size, hidden_dim, num_layers=1, ctx=None):
    try:
        layer = {
            "rnn": partial(gluon.rnn.RNN, activation="tanh"), "gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM,
        }[cell](
            hidden_size=hidden_dim, num_layers=num_layers, input_size=vocab_size,
            i2h_weight_initializer=mx.init.Normal(0.01), h2h_weight_initializer=mx.init.Normal(0.01),
        )  # fmt: skip
    except KeyError:
        raise ValueError(f"no cell {cell!r}") from None
    model = RNNModel(layer, vocab_size)
    model.collect_params(".*h2h_bias$").setattr("grad_req", "null")
    model.initialize(init=mx.init.Normal(0.01), ctx=ctx)
    return model


# A model is ours here, and of RNNModel's attributes only the layer and the Dense layer are asked for.


def _parts(model):
    layer = next(b for b in model._children.values() if isinstance(b, gluon.rnn.rnn_layer._RNNLayer))
    dense = next(b for b in model._children.values() if isinstance(b, gluon.nn.Dense))
    letters = {"RNN": "h", "GRU": "rzh", "LSTM": "ifco"}[type(layer).__name__]
    for k, (kind, ours) in itertools.product(
        range(layer._num_layers), (("i2h_weight", "W_x"), ("h2h_weight", "W_h"), ("i2h_bias", "b_"))
    ):
        suffix = "" if k == 0 else f"_{k + 1}"
        width = layer._hidden_size
        for j, letter in enumerate(letters):
            yield f"{ours}{letter}{suffix}", getattr(layer, f"l{k}_{kind}"), slice(j * width, (j + 1) * width)
    yield "W_hy", dense.weight, slice(None)
    yield "b_y", dense.bias, slice(None)


def set_params(model, params):
    arrays, new = params._asdict(), {}
    names = [name for name, _, _ in _parts(model)]
    if sorted(names) != sorted(arrays):
        raise ValueError("these are the names of another network")
    for name, parameter, rows in _parts(model):
        whole = new.setdefault(parameter.name, (parameter, parameter.data().copy()))[1]
        if whole[rows].shape != arrays[name].T.shape:
            raise ValueError(f"{name} has another shape")
        whole[rows] = arrays[name].T
    for parameter, whole in new.values():
        parameter.set_data(whole)


def read_params(model):
    return {name: parameter.data()[rows].T.copy() for name, parameter, rows in _parts(model)}


def read_gradients(model):
    return {name: parameter.grad()[rows].T.copy() for name, parameter, rows in _parts(model)}


def train_epoch_gluon(model, trainer, batches, clipping_theta, *, is_random_iter):
    nats, characters, state = 0.0, 0, ()
    for data, label in batches:
        if is_random_iter or characters == 0:
            state = model.begin_state(batch_size=len(data), ctx=data.context)
        with autograd.record():
            steps = list(nd.one_hot(data.T, model.vocab_size))
            state, losses = _run(model, steps, label, tuple(S.detach() for S in state))
            total = losses.sum()
        total.backward()
        grads = [p.grad() for p in trainer._params if p.grad_req != "null"]
        gluon.utils.clip_global_norm(grads, clipping_theta * losses.size)
        trainer.step(batch_size=losses.size)
        nats, characters = nats + total.asscalar(), characters + losses.size
    return math.exp(nats / characters)


class CountModel:
    """Counts of strings of characters; a probability is worked out from the longest history down."""

    def __init__(self, indices, vocab_size, order, *, discount=0.75):
        if isinstance(order, bool) or order < 0 or discount <= 0 or discount >= 1 or len(indices) == 0:
            raise ValueError("no such model")
        self.vocab_size, self.order, self.discount = vocab_size, order, discount
        text = tuple(int(i) for i in indices)
        self.strings = Counter(text[i : i + n] for n in range(1, order + 1) for i in range(len(text) - n + 1))
        self.length = len(text)

    def probability(self, char, context=()):
        return self._probability(char, tuple(context)[max(0, len(context) - max(self.order - 1, 0)) :])

    def _probability(self, char, history):
        if self.order == 0:
            return 1 / self.vocab_size
        if not history or self.order == 1:
            return (self.strings[(char,)] + 1) / (self.length + self.vocab_size)
        shorter = self._probability(char, history[1:])
        counts = [self.strings[(*history, c)] for c in range(self.vocab_size)]
        if not any(counts):
            return shorter
        kinds = sum(map(bool, counts))
        return (max(counts[char] - self.discount, 0) + self.discount * kinds * shorter) / sum(counts)


def evaluate_counts(model, indices, batch_size=1):
    indices = list(indices)
    rows = min(batch_size, len(indices) // 2)
    length, logs = len(indices) // rows, []
    for row in (indices[r * length : (r + 1) * length] for r in range(rows)):
        logs += [math.log(model.probability(char, row[:i])) for i, char in enumerate(row) if i]
    return math.exp(-sum(logs) / len(logs))


def best_epoch(perplexities):
    best = None
    for epoch, value in enumerate(perplexities, start=1):
        if value == value and (best is None or value < perplexities[best - 1]):  # NaN is not itself
            best = epoch
    if best is None:
        raise ValueError("no perplexity")
    return best


def should_stop(perplexities, patience):
    best, waited = math.inf, 0
    for value in perplexities:
        best, waited = (value, 0) if value < best else (best, waited + 1)
    return waited >= patience


def dropout(X, p):
    if p < 0 or p >= 1:
        raise ValueError(f"p = {p}")
    return nd.Dropout(X, p=p)


def rnn_dropout(inputs, state, params, p):
    W_xh, W_hh, b_h, W_hy, b_y = params
    states = [state[0]]
    for below in (nd.Dropout(nd.dot(X, W_xh), p) for X in inputs):
        states.append(nd.tanh(below + nd.dot(states[-1], W_hh) + b_h))
    return [nd.dot(nd.Dropout(H, p), W_hy) + b_y for H in states[1:]], (states[-1],)


def get_rows(data, vocab_size):
    if data.min().asscalar() < 0 or data.max().asscalar() >= vocab_size:
        raise IndexError("no such character")
    return nd.transpose(data, axes=(1, 0)).astype("int32")


class Stack:
    LETTERS = {"rnn": "h", "gru": "zrh", "lstm": "ifoc"}

    def __init__(self, cell, num_layers, dropout):
        self.thin = gluon.nn.Dropout(dropout)
        if cell not in self.LETTERS or num_layers < 1:
            raise ValueError("no such network")
        self.cell, self.num_layers, self.letters = cell, num_layers, self.LETTERS[cell]

    def get_params(self, vocab_size, hidden_dim, ctx=None, *, scale=0.01):
        arrays, last = {}, {}
        for k in range(self.num_layers):
            layer = _params_of(
                self.letters, hidden_dim if k else vocab_size, hidden_dim, ctx, scale
            )._asdict()
            output = {name: layer.pop(name) for name in ("W_hy", "b_y")}
            arrays.update({f"{name}_{k + 1}" if k else name: array for name, array in layer.items()})
            last = last or output
        return namedtuple("Params", [*arrays, *last])(*arrays.values(), *last.values())

    def init_state(self, batch_size, hidden_dim, ctx=None):
        one = init_lstm_state if self.cell == "lstm" else init_gru_state
        return sum((one(batch_size, hidden_dim, ctx) for _ in range(self.num_layers)), ())

    def rnn(self, inputs, state, params):
        from_rows = isinstance(inputs, nd.NDArray)
        step = {"rnn": self.plain, "gru": _gru_step, "lstm": _lstm_step}[self.cell]
        gates = list(zip(*[iter(params[:-2])] * 3))
        gates = [gates[i : i + len(self.letters)] for i in range(0, len(gates), len(self.letters))]
        width = len(state) // self.num_layers
        states = [tuple(state[i : i + width]) for i in range(0, len(state), width)]
        outputs = []
        for X in inputs:
            X = nd.one_hot(X, len(params[-1])) if from_rows else X
            for k in range(self.num_layers):
                states[k] = step(X, gates[k], *states[k])
                X = self.thin(states[k][0])
            outputs.append(nd.dot(X, params[-2]) + params[-1])
        return [nd.concat(*outputs, dim=0)], tuple(itertools.chain(*states))

    @staticmethod
    def plain(X, gates, H):
        return (nd.tanh(_affine(X, H, gates[0])),)


def get_network(cell="rnn", num_layers=1, *, dropout=0.0):
    return Stack(cell=cell, num_layers=num_layers, dropout=dropout)


def write_atomically(path, data):
    making = path.with_suffix(".making")
    try:
        _write(making, data)
        os.replace(making, path)
    finally:
        if making.exists():
            making.unlink()


def save_checkpoint(path, arrays, facts):
    """A folder: one raw file an array, and one that lists them; Adler sums against flipped bits."""
    path = Path(path)
    if path.exists():
        raise FileExistsError(str(path))
    making = path.parent / (path.name + ".making")
    making.mkdir()
    try:
        listed = {}
        for i, (name, array) in enumerate(arrays.items()):
            values = array.asnumpy()
            if values.dtype.hasobject:
                raise TypeError("numbers only")
            data = values.tobytes()
            listed[name] = [i, values.dtype.name, list(values.shape), zlib.crc32(data)]
            _write(making / str(i), data)
        text = json.dumps([facts, listed]).encode()
        _write(making / "list", text + b"%010d" % zlib.crc32(text))
        os.replace(making, path)
    except BaseException:
        shutil.rmtree(making)
        raise


def _write(path, data):
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path, ctx=None):
    path = Path(path)
    text = (path / "list").read_bytes()
    if text[-10:] != b"%010d" % zlib.crc32(text[:-10]):
        raise ValueError(f"{path}: its list is damaged")
    facts, listed = json.loads(text[:-10])
    arrays = {}
    for name, (i, dtype, shape, crc) in listed.items():
        data = (path / str(i)).read_bytes()
        if zlib.crc32(data) != crc:
            raise ValueError(f"{path}: {name} is damaged")
        arrays[name] = nd.array(np.frombuffer(data, dtype).reshape(shape), ctx=ctx, dtype=dtype)
    return arrays, facts


class Run:
    """A folder of checkpoints with numbers for names, and a file that says which one is the latest."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.paths = {int(path.name): path for path in self.folder.iterdir() if path.name.isdigit()}

    def save(self, arrays, facts):
        number = max(self.paths, default=0) + 1
        self.paths[number] = self.folder / str(number).zfill(6)
        save_checkpoint(self.paths[number], arrays, facts)
        write_atomically(self.folder / "LATEST", self.paths[number].name.encode())
        return self.paths[number]

    def newest_first(self):
        latest = int((self.folder / "LATEST").read_text())
        yield self.paths[latest]
        yield from (self.paths[number] for number in sorted(self.paths, reverse=True) if number != latest)


def save_next(folder, arrays, facts, previous=None):
    run = Run(folder)
    path = run.save(arrays, facts)
    for other in {*run.paths.values()} - {path, previous}:
        shutil.rmtree(other)
    return path


def load_newest(folder, ctx=None):
    reasons = []
    for path in Run(folder).newest_first():
        try:
            return (path, *load_checkpoint(path, ctx=ctx), reasons)
        except ValueError as reason:
            reasons.append(str(reason))
    raise ValueError("no whole checkpoint: " + "; ".join(reasons))


def shard(corpus_indices, index, num_workers):
    if not 0 <= index < num_workers < len(corpus_indices):
        raise ValueError("give every worker a target, and an index")
    size, _ = divmod(len(corpus_indices) - 1, num_workers)
    first = size * index
    return corpus_indices[first:][: size + 1]


def flat_gradients(params, spare=0):
    params = list(params)
    if not all(param.grad is not None for param in params):
        raise ValueError("every parameter needs a gradient")
    *begins, end = itertools.accumulate((param.size for param in params), initial=0)
    flat = mx.nd.zeros(shape=(end + spare,))
    views = (flat[b : b + p.size].reshape(shape=p.shape) for b, p in zip(begins, params))
    autograd.mark_variables(variables=params, gradients=list(views), grad_reqs="write")
    return flat


class InTurn:
    shards = property(lambda self: range(self.num_workers))

    def __init__(self, num_workers):
        if num_workers < 1:
            raise ValueError("nobody is there")
        self.num_workers = num_workers

    def add_up(self, rows, out):
        reduce(nd.elemwise_add, rows).copyto(out)


class Replica:
    def __init__(self, network, params, workers, prepare=None):
        self.network, self.workers, self.prepare = network, workers, prepare or (lambda index: None)
        self.rnn, self.init_state = network.rnn, network.init_state
        self.flat = flat_gradients(params=params, spare=4)
        self.wishes = self.granted = (False, False)

    def learn(self, data, label, state, params):
        pieces = gluon.utils.split_data(nd.arange(len(data)), num_slice=len(self.workers.shards))
        done = [self._turn(*turn, data, label, state, params) for turn in zip(self.workers.shards, pieces)]
        rows, states = zip(*done)
        self.workers.add_up(rows=list(rows), out=self.flat)
        loss, count, *wishes = self.flat[-4:].asnumpy().tolist()
        self.granted = tuple(wish > 0 for wish in wishes)
        self.flat[:] = self.flat / count
        return nd.array([loss / count]), tuple(nd.concat(*S, dim=0) for S in zip(*states))

    def _turn(self, index, rows, data, label, state, params):
        self.prepare(index)
        chars, answers = data.take(rows), label.take(rows)
        loss, new = self.network.learn(chars, answers, tuple(S.take(rows) for S in state), params)
        self.flat[-4:] = nd.array([loss.asscalar(), 1, *self.wishes])
        return self.flat * answers.size, new

    def agree(self, save, stop):
        save_now, stop_now = self.granted
        self.wishes = (bool(save) and not save_now, bool(stop))
        return save_now, stop_now


class KneserNey:
    """Sets of what stands before a string; a probability is worked out from the longest history down."""

    def __init__(self, indices, vocab_size, order, *, modified=False, discounts=None):
        text = tuple(int(i) for i in indices)
        if order < 1 or not text or min(text) < 0 or max(text) >= vocab_size:
            raise ValueError("no such model")
        if discounts is not None and len(discounts) != order:
            raise ValueError("a discount for each order")
        self.vocab_size, self.order = vocab_size, order
        self.tables = [self._count(text, n) for n in range(1, order + 1)]
        self.discounts = []
        for n, table in enumerate(self.tables):
            if discounts is None:
                each = estimate_discounts(list(table.values()), modified=modified)
            else:
                each = discounts[n] if isinstance(discounts[n], (list, tuple)) else [discounts[n]] * 3
            if any(not 0 < D <= k for k, D in enumerate(each, start=1)):
                raise ValueError("no such discount")
            self.discounts.append([0.0, *each])

    def _count(self, text, n):
        strings = [(text[i : i + n], text[i - 1] if i else None) for i in range(len(text) - n + 1)]
        return Counter(string for string, _ in (strings if n == self.order else set(strings)))

    def probability(self, char, context=()):
        return self._probability(char, tuple(context)[max(0, len(context) - self.order + 1) :])

    def _probability(self, char, history):
        shorter = self._probability(char, history[1:]) if history else 1 / self.vocab_size
        table, D = self.tables[len(history)], self.discounts[len(history)]
        counts = [table[(*history, c)] for c in range(self.vocab_size)]
        if not any(counts):
            return shorter
        saved = sum(D[min(c, 3)] for c in counts)
        return (counts[char] - D[min(counts[char], 3)] + saved * shorter) / sum(counts)

    def distribution(self, context=()):
        return [self.probability(char, context) for char in range(self.vocab_size)]

    def probabilities(self, indices, start=1):
        if hasattr(indices, "ndim") and indices.ndim == 2:
            return [self.probabilities(row.tolist(), start) for row in indices]
        return [self.probability(indices[i], indices[:i]) for i in range(start, len(indices))]


def estimate_discounts(counts, *, modified=False):
    once, twice, *more = (sum(c == k for c in counts) for k in (1, 2, 3, 4))
    if not once or not twice:
        return [0.75] * 3
    Y = once / (once + 2 * twice)
    found = []
    for k, (these, next_ones) in enumerate(zip((once, twice, more[0]), (twice, *more)), start=1):
        D = k - (k + 1) * Y * next_ones / these if modified and these else Y
        found.append(D if 0 < D < k else Y)
    return found


def cut_rows(indices, batch_size, vocab_size):
    indices = list(indices)
    if len(indices) < 2:
        raise ValueError("no target")
    length = len(indices) // min(batch_size, len(indices) // 2)
    return [indices[i : i + length] for i in range(0, len(indices) - length + 1, length)][:batch_size]


def network_probabilities(rnn, params, init_state, rows, num_steps, *, get_inputs=None):
    found = []
    for row in rows.tolist():
        state, p = init_state(1, params[-2].shape[0], None), []
        for char, following in zip(row, row[1:]):
            (logits,), state = rnn([nd.one_hot(nd.array([char]), params[-1].size)], state, params)
            p.append(nd.softmax(logits)[0, following].asscalar())
        found.append(p)
    return found


def mean_perplexity(probabilities, where=None):
    p = probabilities.ravel().tolist()
    kept = [True] * len(p) if where is None else where.ravel().tolist()
    logs = [math.log(each) for each, counts in zip(p, kept) if counts]
    return math.exp(-math.fsum(logs) / len(logs))
