"""Lessons 8 to 18 with numpy wherever no gradient has to pass; one matrix for all gates where one must."""

import hashlib
import io
import json
import math
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd


def _logits(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, choose):
    known = set(vocab.idx_to_char)
    if not prefix or not set(prefix) <= known:
        raise ValueError(f"cannot go on from {prefix!r}")
    eye, state = np.eye(len(vocab), dtype=np.float32), init_state(1, hidden_dim, ctx or mx.cpu())
    text = list(prefix)
    read = 0
    while len(text) < len(prefix) + num_chars:
        outputs, state = rnn([nd.array(eye[[vocab.char_to_idx[text[read]]]])], state, params)
        read += 1
        if read == len(text):
            text.append(vocab.idx_to_char[choose(outputs[0].asnumpy().ravel().astype(np.float64))])
    return "".join(text)


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    return _logits(
        prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, lambda y: int(y.argmax())
    )


def generate(
    prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None,
    *, temperature=1.0, top_k=None, top_p=None, seed=None,
):  # fmt: skip
    if temperature < 0 or (top_k is not None and top_k < 1) or not 0 < (1 if top_p is None else top_p) <= 1:
        raise ValueError("an option makes no sense")
    rng = np.random.RandomState(seed)

    def choose(y):
        if not temperature:
            return int(y.argmax())
        order = np.argsort(y)[::-1][:top_k]
        p = np.exp((y[order] - y.max()) / temperature)
        p /= p.sum()
        if top_p is not None:
            size = int(np.searchsorted(np.cumsum(p), top_p - 1e-12)) + 1
            order, p = order[:size], p[:size] / p[:size].sum()
        return int(order[np.searchsorted(np.cumsum(p), rng.rand()).clip(max=len(order) - 1)])

    return _logits(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, choose)


def train_batches(
    rnn, params, init_state, batches, optimizer, clipping_theta,
    *, is_random_iter, get_inputs=None, state=None,
):  # fmt: skip
    hidden_dim, vocab_size = params[-2].shape
    eye = np.eye(vocab_size, dtype=np.float32)
    for data, label in batches:
        if is_random_iter or state is None:
            state = init_state(data.shape[0], hidden_dim, data.context)
        state = tuple(nd.array(S.asnumpy()) for S in state)
        steps = get_inputs(data, vocab_size) if get_inputs else [nd.array(X) for X in eye[data.asnumpy().T]]
        wanted = nd.array(eye[label.asnumpy().T.ravel()])
        with autograd.record():
            outputs, state = rnn(steps, state, params)
            loss = -(nd.log_softmax(nd.concat(*outputs, dim=0)) * wanted).sum() / label.size
        loss.backward()
        norm = math.sqrt(sum(float((p.grad.asnumpy().astype(np.float64) ** 2).sum()) for p in params))
        for p in params:
            p.grad[:] = p.grad * min(1.0, clipping_theta / max(norm, 1e-300))
        optimizer.step(params)
        yield float(loss.asscalar()), label.size, state


def train_epoch(rnn, params, init_state, batches, optimizer, clipping_theta, *, is_random_iter):
    table = np.array(
        [
            step[:2]
            for step in train_batches(
                rnn, params, init_state, batches, optimizer, clipping_theta, is_random_iter=is_random_iter
            )
        ]
    )
    return float(np.exp(np.average(table[:, 0], weights=table[:, 1])))


def evaluate(rnn, params, init_state, indices, batch_size, num_steps, ctx=None, *, get_inputs=None):
    hidden_dim, vocab_size = params[-2].shape
    corpus = np.asarray(indices)
    batch_size = max(1, min(batch_size, corpus.size // 2))
    rows = corpus[: corpus.size - corpus.size % batch_size].reshape(batch_size, -1)
    state, eye, nats = init_state(batch_size, hidden_dim, ctx), np.eye(vocab_size), []
    for i in range(0, rows.shape[1] - 1, num_steps):
        piece = rows[:, i : i + num_steps + 1].T
        outputs, state = rnn([nd.array(X) for X in eye[piece[:-1]]], state, params)
        logits = np.stack([Y.asnumpy().astype(np.float64) for Y in outputs])
        logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
        nats.extend(-np.take_along_axis(logits, piece[1:, :, None], 2).ravel())
    return float(np.exp(np.mean(nats)))


def train_and_predict_rnn(
    rnn, get_params, init_state, hidden_dim, vocab, corpus_indices, *, ctx=None, is_random_iter=True,
    num_epochs=250, num_steps=35, lr=1e2, clipping_theta=1e-2, batch_size=32, optimizer="sgd",
    pred_period=50, pred_len=50, prefixes=("分开", "不分开"), seed=0,
):  # fmt: skip
    mx.random.seed(seed)
    rng, history = np.random.default_rng(seed), np.zeros(num_epochs)
    params = get_params(len(vocab), hidden_dim, ctx)
    updater = Optimizer(optimizer, params, lr)  # noqa: F821
    cut = data_iter_random if is_random_iter else data_iter_consecutive  # noqa: F821
    for epoch in range(num_epochs):
        batches = list(cut(corpus_indices, batch_size, num_steps, ctx, rng=rng))
        history[epoch] = train_epoch(
            rnn, params, init_state, batches, updater, clipping_theta, is_random_iter=is_random_iter
        )
        if (epoch + 1) % pred_period == 0:
            print(f"epoch {epoch + 1}, perplexity {history[epoch]:.6f}, time 0.00 sec")
            for prefix in prefixes:
                args = prefix, pred_len, rnn, params, init_state, hidden_dim, vocab, ctx
                print(" - " + predict_rnn(*args))
    return history.tolist()


def _forward(inputs, state, params):
    W_xh, W_hh, b_h, W_hy, b_y = (p.asnumpy().astype(np.float64) for p in params)
    X = np.stack([x.asnumpy() for x in inputs]).astype(np.float64)
    H = [state[0].asnumpy().astype(np.float64)]
    for x in X:
        H.append(np.tanh(x @ W_xh + H[-1] @ W_hh + b_h))
    Y = np.stack(H[1:]) @ W_hy + b_y
    p = np.exp(Y - Y.max(axis=2, keepdims=True))
    return X, np.stack(H), p / p.sum(axis=2, keepdims=True), W_hh, W_hy


def bptt(inputs, label, state, params):
    X, H, p, W_hh, W_hy = _forward(inputs, state, params)
    wanted = np.eye(p.shape[2])[label.asnumpy().astype(int).T]
    loss = -np.log((p * wanted).sum(axis=2)).mean()
    dY = (p - wanted) / label.size
    dA, after = np.zeros_like(H[1:]), np.zeros_like(H[0])
    for t in reversed(range(len(X))):
        dA[t] = (dY[t] @ W_hy.T + after) * (1 - H[t + 1] ** 2)
        after = dA[t] @ W_hh.T
    gradients = (
        np.einsum("tbv,tbh->vh", X, dA), np.einsum("tbi,tbh->ih", H[:-1], dA), dA.sum(axis=(0, 1)),
        np.einsum("tbh,tbv->hv", H[1:], dY), dY.sum(axis=(0, 1)),
    )  # fmt: skip
    return nd.array([loss]), tuple(nd.array(g, dtype="float32") for g in gradients)


def grad_norms_by_lag(inputs, label, state, params):
    _, H, p, W_hh, W_hy = _forward(inputs, state, params)
    last = np.eye(p.shape[2])[label.asnumpy().astype(int)[:, -1]]
    dH, norms = (p[-1] - last) / len(last) @ W_hy.T, []
    for t in range(len(H) - 1, 0, -1):
        norms.append(np.linalg.norm(dH))
        dH = dH * (1 - H[t] ** 2) @ W_hh.T
    return norms


class GRUParams(NamedTuple):
    W_xz: object
    W_hz: object
    b_z: object
    W_xr: object
    W_hr: object
    b_r: object
    W_xh: object
    W_hh: object
    b_h: object
    W_hy: object
    b_y: object


class LSTMParams(NamedTuple):
    W_xi: object
    W_hi: object
    b_i: object
    W_xf: object
    W_hf: object
    b_f: object
    W_xo: object
    W_ho: object
    b_o: object
    W_xc: object
    W_hc: object
    b_c: object
    W_hy: object
    b_y: object


def _drawn(kind, vocab_size, hidden_dim, ctx, scale):
    sizes, params = {"x": vocab_size, "y": vocab_size}, []
    for name in kind._fields:
        shape = [sizes.get(letter, hidden_dim) for letter in name.split("_")[1]]
        values = np.zeros(shape) if name[0] == "b" else np.random.randn(*shape) * scale  # noqa: NPY002
        params.append(nd.array(values, ctx or mx.cpu(), "float32"))
        params[-1].attach_grad()
    return kind(*params)


def get_gru_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    return _drawn(GRUParams, vocab_size, hidden_dim, ctx, scale)


def get_lstm_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    return _drawn(LSTMParams, vocab_size, hidden_dim, ctx, scale)


def init_gru_state(batch_size, hidden_dim, ctx=None):
    return (nd.array(np.zeros((batch_size, hidden_dim)), ctx or mx.cpu()),)


def init_lstm_state(batch_size, hidden_dim, ctx=None):
    return init_gru_state(batch_size, hidden_dim, ctx) * 2


def _gates(X, H, params, num_gates):
    """All gates in one product each: what comes from below, and what from the state."""
    W_x, W_h, b = (nd.concat(*params[i : 3 * num_gates : 3], dim=-1) for i in range(3))
    return nd.split(nd.dot(X, W_x) + b, num_gates), nd.split(nd.dot(H, W_h), num_gates)


def gru(inputs, state, params):
    H, outputs = state[0], []
    for X in inputs:
        (z, r, h), (Uz, Ur, _) = _gates(X, H, params, 3)
        Z, R = nd.sigmoid(z + Uz), nd.sigmoid(r + Ur)
        candidate = nd.tanh(h + nd.dot(R * H, params[7]))
        H = candidate + Z * (H - candidate)
        outputs.append(nd.dot(H, params[-2]) + params[-1])
    return outputs, (H,)


def gru_reset_after(inputs, state, params):
    H, outputs = state[0], []
    for X in inputs:
        (z, r, h), (Uz, Ur, Uh) = _gates(X, H, params, 3)
        Z, candidate = nd.sigmoid(z + Uz), nd.tanh(h + nd.sigmoid(r + Ur) * Uh)
        H = candidate + Z * (H - candidate)
        outputs.append(nd.dot(H, params[-2]) + params[-1])
    return outputs, (H,)


def lstm(inputs, state, params):
    (H, C), outputs = state, []
    for X in inputs:
        below, before = _gates(X, H, params, 4)
        i, f, o, c = (a + b for a, b in zip(below, before))
        C = nd.sigmoid(f) * C + nd.sigmoid(i) * nd.tanh(c)
        H = nd.sigmoid(o) * nd.tanh(C)
        outputs.append(nd.dot(H, params[-2]) + params[-1])
    return outputs, (H, C)


class RNNModel(gluon.Block):
    def __init__(self, rnn_layer, vocab_size):
        super().__init__()
        self.vocab_size, self.rnn = vocab_size, rnn_layer
        (self.num_layers, _, self.hidden_dim) = rnn_layer.state_info()[0]["shape"]
        self.dense = gluon.nn.Dense(vocab_size, in_units=self.hidden_dim)

    def forward(self, inputs, state):
        kinds = len(self.rnn.state_info())
        stacked = [nd.stack(*[state[k * kinds + i] for k in range(self.num_layers)]) for i in range(kinds)]
        H, stacked = self.rnn(nd.stack(*inputs, axis=0), stacked)
        return [self.dense(h) for h in H], [S[k] for k in range(self.num_layers) for S in stacked]

    def begin_state(self, batch_size, ctx=None):
        shape = batch_size, self.hidden_dim
        return [nd.zeros(shape, ctx) for _ in range(self.num_layers) for _ in self.rnn.state_info()]


def get_rnn_model(cell, vocab_size, hidden_dim, num_layers=1, ctx=None):
    kinds = {"rnn": gluon.rnn.RNN, "gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM}
    if cell not in kinds:
        raise ValueError(cell)
    options = {"activation": "tanh"} if cell == "rnn" else {}
    model = RNNModel(kinds[cell](hidden_dim, num_layers, input_size=vocab_size, **options), vocab_size)
    model.initialize(mx.init.Normal(sigma=0.01), ctx=ctx)
    for name, parameter in model.collect_params().items():
        if "h2h_bias" in name:
            parameter.grad_req = "null"
    return model


def _named(model):
    letters = {gluon.rnn.RNN: "h", gluon.rnn.GRU: "rzh", gluon.rnn.LSTM: "ifco"}[type(model.rnn)]
    for k in range(model.num_layers):
        end = f"_{k + 1}" * (k > 0)
        for place, ours in (("i2h_weight", "W_x"), ("h2h_weight", "W_h"), ("i2h_bias", "b_")):
            yield getattr(model.rnn, f"l{k}_{place}"), [ours + letter + end for letter in letters]
    yield from ((model.dense.weight, ["W_hy"]), (model.dense.bias, ["b_y"]))


def set_params(model, params):
    ours, places = {n: a.asnumpy() for n, a in params._asdict().items()}, list(_named(model))
    if {name for _, names in places for name in names} != set(ours):
        raise ValueError("other names")
    values = [np.concatenate([ours[name].T for name in names]) for _, names in places]
    if any(value.shape != parameter.shape for value, (parameter, _) in zip(values, places)):
        raise ValueError("other shapes")
    for value, (parameter, _) in zip(values, places):
        parameter.set_data(nd.array(value))


def _unstack(model, what):
    return {
        name: nd.array(part.T)
        for parameter, names in _named(model)
        for name, part in zip(names, np.split(what(parameter).asnumpy(), len(names)))
    }


def read_params(model):
    return _unstack(model, lambda parameter: parameter.data())


def read_gradients(model):
    return _unstack(model, lambda parameter: parameter.grad())


def train_epoch_gluon(model, trainer, batches, clipping_theta, *, is_random_iter):
    state, nats, eye = None, [], np.eye(model.vocab_size)
    for data, label in batches:
        if is_random_iter or not state:
            state = model.begin_state(data.shape[0], data.context)
        state = [nd.array(S.asnumpy()) for S in state]
        with autograd.record():
            outputs, state = model([nd.array(X) for X in eye[data.asnumpy().T]], state)
            each = -nd.pick(nd.log_softmax(nd.stack(*outputs)), label.T)
            loss = each.mean()
        loss.backward()
        gluon.utils.clip_global_norm(
            [p.grad() for p in model.collect_params().values() if p.grad_req != "null"], clipping_theta
        )
        trainer.step(1)
        nats.extend(each.asnumpy().ravel())
    return float(np.exp(np.mean(nats)))


class CountModel:
    def __init__(self, indices, vocab_size, order, *, discount=0.75):
        text = np.asarray(indices, dtype=int)
        if order < 0 or not 0 < discount < 1 or text.size == 0:
            raise ValueError("no model")
        self.vocab_size, self.order, self.discount = vocab_size, order, discount
        self.counts = defaultdict(lambda: np.zeros(vocab_size))
        for n in range(order):
            for i in range(n, text.size):
                self.counts[tuple(text[i - n : i].tolist())][text[i]] += 1

    def probability(self, char, context=()):
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        if self.order:
            p = (self.counts[()] + 1) / (self.counts[()].sum() + self.vocab_size)
        for n in range(1, self.order):
            history = tuple(context)[-n:]
            if len(history) < n or history not in self.counts:
                break
            c = self.counts[history]
            p = (np.maximum(c - self.discount, 0) + self.discount * (c > 0).sum() * p) / c.sum()
        return float(p[char])


def evaluate_counts(model, indices, batch_size=1):
    text = np.asarray(indices)
    batch_size = min(batch_size, text.size // 2)
    rows = text[: text.size // batch_size * batch_size].reshape(batch_size, -1).tolist()
    p = [model.probability(row[i], row[:i]) for row in rows for i in range(1, len(row))]
    return float(np.exp(-np.log(p).mean()))


def best_epoch(perplexities):
    values = np.array(perplexities, dtype=float)
    if np.isnan(values).all():
        raise ValueError("no number")
    return int(np.nanargmin(values)) + 1


def should_stop(perplexities, patience):
    values = np.array(perplexities, dtype=float)
    best = 0 if np.isnan(values).all() else int(np.nanargmin(values)) + 1
    return values.size - best >= patience


def dropout(X, p):
    if not 0 <= p < 1:
        raise ValueError(p)
    if not autograd.is_training():
        return X
    return X * nd.array((np.random.rand(*X.shape) >= p) / (1 - p))  # noqa: NPY002


def rnn_dropout(inputs, state, params, p):
    H, outputs = state[0], []
    for X in inputs:
        H = nd.tanh(dropout(nd.dot(X, params[0]), p) + nd.dot(H, params[1]) + params[2])
        outputs.append(nd.dot(dropout(H, p), params[3]) + params[4])
    return outputs, (H,)


def get_rows(data, vocab_size):
    rows = data.asnumpy().T.astype(np.int32)
    if rows.min() < 0 or rows.max() >= vocab_size:
        raise IndexError("no such character")
    return nd.array(rows, dtype="int32")


def get_network(cell="rnn", num_layers=1, *, dropout=0.0):
    """The cells of lessons 4, 11 and 12, one on top of the other; every other name is a plain function."""
    kinds = {"rnn": (rnn, get_params), "gru": (gru, get_gru_params), "lstm": (lstm, get_lstm_params)}  # noqa: F821
    if cell not in kinds or num_layers < 1:
        raise ValueError(cell)
    step, make = kinds[cell]
    width = 1 + (cell == "lstm")

    def new(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
        layers = [
            make(vocab_size if k == 0 else hidden_dim, hidden_dim, ctx, scale=scale)
            for k in range(num_layers)
        ]
        arrays = {
            name + f"_{k + 1}" * (k > 0): array
            for k, layer in enumerate(layers)
            for name, array in list(layer._asdict().items())[:-2]
        }
        arrays.update(list(layers[0]._asdict().items())[-2:])

        class Params(tuple):
            _fields = tuple(arrays)

            def _asdict(self):
                return dict(zip(self._fields, self))

        return Params(arrays.values())

    def first(batch_size, hidden_dim, ctx=None):
        return tuple(nd.zeros((batch_size, hidden_dim), ctx) for _ in range(num_layers * width))

    def read(inputs, state, params):
        size, hidden_dim = (len(params) - 2) // num_layers, state[0].shape[1]
        steps = list(nd.one_hot(inputs, params[-1].size)) if isinstance(inputs, nd.NDArray) else inputs
        states = []
        for k in range(num_layers):
            layer = [*params[k * size : (k + 1) * size], nd.eye(hidden_dim), nd.zeros(hidden_dim)]
            steps, after = step(steps, state[k * width : (k + 1) * width], layer)
            steps = [nd.Dropout(H, p=dropout) for H in steps]
            states += after
        return [nd.dot(H, params[-2]) + params[-1] for H in steps], tuple(states)

    return SimpleNamespace(get_params=new, init_state=first, rnn=read)


def write_atomically(path, data):
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def save_checkpoint(path, arrays, facts):
    path, buffer = Path(path), io.BytesIO()
    if path.exists():
        raise FileExistsError(path)
    np.savez(buffer, **{name: array.asnumpy() for name, array in arrays.items()})
    body = json.dumps(facts).encode() + b"\n" + buffer.getvalue()
    write_atomically(path, hashlib.sha512(body).digest() + body)


def load_checkpoint(path, ctx=None):
    data = Path(path).read_bytes()
    if hashlib.sha512(data[64:]).digest() != data[:64]:
        raise ValueError(f"{path} is damaged")
    facts, _, arrays = data[64:].partition(b"\n")
    with np.load(io.BytesIO(arrays)) as members:
        return {name: nd.array(a, ctx, a.dtype) for name, a in members.items()}, json.loads(facts)


def save_next(folder, arrays, facts, previous=None):
    os.makedirs(folder, exist_ok=True)
    numbers = [int(name) for name in os.listdir(folder) if name.isdigit()]
    path = folder / f"{max(numbers, default=0) + 1:06d}"
    save_checkpoint(path, arrays, facts)
    write_atomically(folder / "LATEST", path.name.encode())
    for name in os.listdir(folder):
        if name not in ("LATEST", path.name, getattr(previous, "name", None)):
            shutil.rmtree(folder / name)
    return path


def load_newest(folder, ctx=None):
    latest, damaged = (folder / "LATEST").read_text().strip(), []
    names = [name for name in os.listdir(folder) if name.isdigit()]
    for name in sorted(names, key=lambda name: (name != latest, -int(name))):
        try:
            arrays, facts = load_checkpoint(folder / name, ctx)
            return folder / name, arrays, facts, damaged
        except ValueError as error:
            damaged.append(f"{name}: {error}")
    raise ValueError(f"{folder} holds no whole checkpoint: {damaged}")


def shard(corpus_indices, index, num_workers):
    ends = np.linspace(0, (len(corpus_indices) - 1) // num_workers * num_workers, num_workers + 1).astype(int)
    if index < 0 or index >= num_workers or ends[1] == 0:
        raise ValueError(f"no shard {index} of {num_workers} in {len(corpus_indices)} characters")
    return corpus_indices[ends[index] : ends[index + 1] + 1]


def flat_gradients(params, spare=0):
    if [param for param in params if param.grad is None]:
        raise ValueError("attach gradients first")
    buffer = nd.array(np.zeros(spare + int(np.sum([param.size for param in params]))))
    begin = 0
    for param in params:
        autograd.mark_variables([param], [buffer[begin:][: param.size].reshape(param.shape)])
        begin += param.size
    return buffer


class InTurn:
    def __init__(self, num_workers):
        if num_workers <= 0:
            raise ValueError(f"{num_workers} workers")
        self.num_workers = num_workers
        self.shards = np.arange(num_workers)

    def add_up(self, rows, out):
        total = rows[0].asnumpy()
        for row in rows[1:]:
            total = np.add(total, row.asnumpy(), dtype=np.float32)
        out[:] = total


class Replica:
    """Its rows: what was asked, nats and characters, and then a copy of the gradients."""

    def __init__(self, network, params, workers, prepare=lambda index: None):
        self.network, self.params, self.workers, self.prepare = network, params, workers, prepare
        self.buffer, self.asked, self.heard = nd.zeros(4 + sum(p.size for p in params)), [0, 0], [0, 0]

    def __getattr__(self, name):
        return getattr(self.network, name)

    def learn(self, data, label, state, params):
        num_shards = len(self.workers.shards)
        split = [nd.split(array, num_shards, axis=0, squeeze_axis=False) for array in (data, label, *state)]
        split = [each if isinstance(each, list) else [each] for each in split]
        rows, states = [], []
        for index, d, y, *S in zip(self.workers.shards, *split):
            self.prepare(int(index))
            loss, new = self.network.learn(d, y, tuple(S), params)
            gradients = np.concatenate([param.grad.asnumpy().ravel() for param in self.params])
            head = np.float32([*self.asked, loss.asscalar(), 1])
            rows.append(nd.array(np.concatenate([head, gradients]) * np.float32(y.size)))
            states.append([each.asnumpy() for each in new])
        self.workers.add_up(rows, self.buffer)
        total = self.buffer.asnumpy()
        self.heard, total = total[:2] > 0, total[2:] / total[3]
        begin = 2
        for param in self.params:
            param.grad[:] = total[begin : begin + param.size].reshape(param.shape)
            begin += param.size
        return nd.array(total[:1]), tuple(nd.array(np.concatenate(each)) for each in zip(*states))

    def agree(self, save, stop):
        self.asked = [save and not self.heard[0], stop]
        return tuple(self.heard)


class KneserNey:
    """A vector of counts for each history, and one pass over the text for each order."""

    def __init__(self, indices, vocab_size, order, *, modified=False, discounts=None):
        text = np.asarray(indices, dtype=int)
        if order < 1 or text.size == 0 or text.min() < 0 or text.max() >= vocab_size:
            raise ValueError("no model")
        self.vocab_size, self.order, self.counts = vocab_size, order, {}
        before = defaultdict(set)
        for n in range(1, order + 1):
            for i in range(text.size - n + 1):
                string = tuple(text[i : i + n].tolist())
                vector = self.counts.setdefault(string[:-1], np.zeros(vocab_size, int))
                neighbour = i if n == order else int(text[i - 1]) if i else -1
                vector[string[-1]] += neighbour not in before[string]
                before[string].add(neighbour)
        D = np.zeros((order, 3)) + 0.75
        for n in range(order):
            vectors = [c[c > 0] for history, c in self.counts.items() if len(history) == n]
            if vectors:
                D[n] = estimate_discounts(np.concatenate(vectors), modified=modified)
        if discounts is not None:
            D = np.stack([np.zeros(3) + each for each in discounts])
        if len(D) != order or (D <= 0).any() or not (D <= [1, 2, 3]).all():
            raise ValueError(discounts)
        self.D = np.pad(D, ((0, 0), (1, 0)))

    def distribution(self, context=()):
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for n in range(min(self.order, len(context) + 1)):
            c = self.counts.get(tuple(int(i) for i in context[len(context) - n :]))
            if c is None:
                break
            saved = self.D[n][np.minimum(c, 3)]
            p = (c - saved + saved.sum() * p) / c.sum()
        return p

    def probability(self, char, context=()):
        return float(self.distribution(context)[char])

    def probabilities(self, indices, start=1):
        rows = np.asarray(indices)
        if rows.ndim == 2:
            return np.stack([self.probabilities(row, start) for row in rows])
        return np.array([self.probability(rows[i], rows[:i]) for i in range(start, rows.size)])


def estimate_discounts(counts, *, modified=False):
    n1, n2, n3, n4 = (np.sum(np.asarray(counts) == k) for k in (1, 2, 3, 4))
    Y = n1 / (n1 + 2 * n2) if n1 * n2 else 0.75
    D = np.full(3, Y)
    if modified:
        ratios = np.array([n2, n3, n4]) / np.maximum([n1, n2, n3], 1)
        wanted = np.arange(1, 4) - np.arange(2, 5) * Y * ratios
        fine = (np.array([n1, n2, n3]) > 0) & (wanted > 0) & (wanted < np.arange(1, 4))
        D = np.where(fine, wanted, Y)
    return D


def cut_rows(indices, batch_size, vocab_size):
    text = np.asarray(indices)
    batch_size = min(batch_size, text.size // 2)
    if batch_size == 0:
        raise ValueError("no target")
    return np.stack(np.split(text[: text.size - text.size % batch_size], batch_size))


def network_probabilities(rnn, params, init_state, rows, num_steps, *, get_inputs=None):
    steps = [nd.one_hot(nd.array(column), params[-1].size) for column in rows.T[:-1]]
    outputs, _ = rnn(steps, init_state(len(rows), params[-2].shape[0], None), params)
    logits = np.stack([Y.asnumpy().astype(float) for Y in outputs], axis=1)
    p = np.exp(logits - logits.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    return np.take_along_axis(p, rows[:, 1:, None], axis=2)[..., 0]


def mean_perplexity(probabilities, where=True):
    logs = np.log(np.asarray(probabilities, dtype=float))
    return float(np.exp(-logs[np.broadcast_to(where, logs.shape)].mean()))
