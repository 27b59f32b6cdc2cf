"""Numbers are worked in numpy, and become NDArrays at the door."""

import zipfile

import mxnet as mx
import numpy as np
from mxnet import autograd, nd


def load_corpus(source="lyrics", *, max_chars=None):
    if str(source).endswith(".zip"):
        with zipfile.ZipFile(source) as archive:
            (name,) = [n for n in archive.namelist() if n.endswith(".txt")]
            text = archive.read(name).decode("utf-8")
    else:
        with open(source, "rb") as f:
            text = f.read().decode("utf-8")
    for end in ("\r\n", "\r", "\n"):
        text = text.replace(end, " ")
    return text if max_chars is None else text[:max_chars]


class Vocab:
    def __init__(self, text, *, min_freq=1, unk=False):
        chars, counts = np.unique(list(text), return_counts=True)
        self.unk = unk
        self.idx_to_char = ["<unk>"] * unk + chars[counts >= min_freq].tolist()
        self.char_to_idx = dict(zip(self.idx_to_char, np.arange(len(self.idx_to_char))))

    def __len__(self):
        return len(self.idx_to_char)

    def encode(self, text):
        if not self.unk and not set(text) <= set(self.idx_to_char):
            raise ValueError(f"unknown: {set(text) - set(self.idx_to_char)}")
        return [int(self.char_to_idx.get(c, 0)) for c in text]

    def decode(self, indices):
        indices = np.asarray(indices, dtype=int).ravel()
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise IndexError("not an index of this vocabulary")
        return "".join(np.array(self.idx_to_char)[indices])


def try_gpu():
    return mx.cpu() if mx.context.num_gpus() == 0 else mx.gpu(0)


def _batches(windows, ctx):
    for w in windows:
        yield nd.array(w[:, :-1], dtype=np.int32, ctx=ctx), nd.array(w[:, 1:], dtype=np.int32, ctx=ctx)


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    corpus = np.array(corpus_indices)[offset:]
    view = np.lib.stride_tricks.sliding_window_view(corpus, num_steps + 1)[::num_steps]
    num_batches = len(view) // batch_size
    if num_batches == 0:
        raise ValueError("too short")
    rng = np.random.default_rng(rng)
    order = rng.permutation(len(view))[: num_batches * batch_size]
    yield from _batches(view[order].reshape(num_batches, batch_size, -1), ctx)


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    corpus = np.array(corpus_indices)[offset:]
    per_row = corpus.size // batch_size
    n = (per_row - 1) // num_steps
    if n < 1:
        raise ValueError("too short")
    table = np.stack([corpus[r * per_row : (r + 1) * per_row] for r in range(batch_size)])
    yield from _batches((table[:, k * num_steps : (k + 1) * num_steps + 1] for k in range(n)), ctx)


def fresh_offset(rng, num_chars, batch_size, num_steps, *, is_random_iter):
    span, need = (num_steps, batch_size * num_steps + 1)
    if not is_random_iter:
        span, need = batch_size * num_steps, batch_size * (num_steps + 1)
    return rng.integers(np.clip(num_chars - need + 1, 1, span)).item()


def one_hot(indices, vocab_size):
    indices = indices.asnumpy().astype(int)
    if np.any((indices < 0) | (indices >= vocab_size)):
        raise IndexError("out of range")
    out = np.zeros((indices.size, vocab_size), np.float32)
    out[np.arange(indices.size), indices.ravel()] = 1
    return nd.array(out.reshape(*indices.shape, vocab_size))


def get_inputs(data, vocab_size):
    return [one_hot(nd.array(column), vocab_size) for column in data.asnumpy().T]


def get_params(vocab_size, hidden_dim, ctx=None, *, scale=0.01):
    from collections import namedtuple

    Params = namedtuple("Params", ["W_xh", "W_hh", "b_h", "W_hy", "b_y"])
    shapes = [
        (vocab_size, hidden_dim),
        (hidden_dim, hidden_dim),
        (hidden_dim,),
        (hidden_dim, vocab_size),
        (vocab_size,),
    ]
    drawn = [np.random.normal(0, scale, size=s) if len(s) == 2 else np.zeros(s) for s in shapes]  # noqa: NPY002
    arrays = [nd.array(a, ctx=ctx) for a in drawn]
    for a in arrays:
        a.attach_grad()
    return Params(*arrays)


def init_rnn_state(batch_size, hidden_dim, ctx=None):
    return (nd.array(np.zeros([batch_size, hidden_dim]), ctx=ctx),)


class _CrossEntropy(autograd.Function):
    def forward(self, logits, label):
        z = logits.asnumpy().astype(np.float64)
        z -= z.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        rows = np.arange(len(z))
        columns = label.asnumpy().astype(int)
        slope = np.exp(log_p)
        slope[rows, columns] -= 1
        self.save_for_backward(nd.array(slope / len(z)))
        return nd.array([-log_p[rows, columns].mean()])

    def backward(self, dy):
        (slope,) = self.saved_tensors
        return slope * dy, nd.zeros(slope.shape[0])


def cross_entropy(logits, label):
    values = label.asnumpy()
    if values.min() < 0 or values.max() >= logits.shape[-1]:
        raise IndexError(f"labels run from {values.min()} to {values.max()}")
    return _CrossEntropy()(logits, label.astype("float32"))


def perplexity(nats_per_char):
    with np.errstate(over="ignore"):
        return float(np.exp(np.float64(nats_per_char)))


def grad_clipping(params, theta):
    flat = np.concatenate([p.grad.asnumpy().ravel() for p in params]).astype(np.float64)
    norm = float(np.linalg.norm(flat))
    if not np.isfinite(norm):
        raise FloatingPointError("the gradient is not a number")
    if norm > theta:
        flat *= theta / norm
        at = 0
        for p in params:
            p.grad[:] = nd.array(flat[at : at + p.size].reshape(p.shape))
            at += p.size
    return norm


def sgd(params, lr):
    for p in params:
        p[:] = nd.array(p.asnumpy() - lr * p.grad.asnumpy())


def init_adam_states(params):
    return [(nd.array(np.zeros(p.shape)), nd.array(np.zeros(p.shape))) for p in params]


def adam(params, states, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
    for p, (m, v) in zip(params, states):
        g = p.grad.asnumpy().astype(np.float64)
        m_new = beta1 * m.asnumpy() + (1 - beta1) * g
        v_new = beta2 * v.asnumpy() + (1 - beta2) * g**2
        m[:], v[:] = nd.array(m_new), nd.array(v_new)
        p[:] = nd.array(p.asnumpy() - lr * (m_new / (1 - beta1**t)) / (np.sqrt(v_new / (1 - beta2**t)) + eps))


def adamw(params, states, lr, t, *, weight_decay=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
    kept = [p.asnumpy() * np.float32(1 - lr * weight_decay) for p in params]
    for p, values in zip(params, kept):
        p[:] = nd.array(values)
    adam(params, states, lr, t, beta1=beta1, beta2=beta2, eps=eps)


def learning_rate(t, lr, *, schedule="constant", warmup=0, num_updates=0):
    rising = np.linspace(0, lr, warmup + 1)[1:]
    falling = lr * (1 + np.cos(np.linspace(0, np.pi, max(num_updates - warmup, 0) + 1)[:-1])) / 2
    if t <= warmup:
        return float(rising[t - 1])
    return lr if schedule == "constant" else float(falling[t - 1 - warmup])


class Optimizer:
    def __init__(self, name, params, lr):
        self.kinds = {"sgd": self._sgd, "adam": self._adam}
        if name not in self.kinds:
            raise ValueError(name)
        self.move, self.lr, self.t = self.kinds[name], lr, 0
        self.m = [np.zeros(p.shape) for p in params]
        self.v = [np.zeros(p.shape) for p in params]

    def step(self, params):
        self.t += 1
        for i, p in enumerate(params):
            p[:] = nd.array(p.asnumpy() - self.lr * self.move(i, p.grad.asnumpy()))

    def _sgd(self, i, g):
        return g

    def _adam(self, i, g):
        self.m[i] = 0.9 * self.m[i] + 0.1 * g
        self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
        return self.m[i] / (1 - 0.9**self.t) / (np.sqrt(self.v[i] / (1 - 0.999**self.t)) + 1e-8)
