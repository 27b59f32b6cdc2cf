"""PyTorch: its own layers or a cell of addmm, eager or compiled, one output product over all steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .work import BETA1, BETA2, EPS, THREADS, Contender, Params, Task, by_layer, from_fused, to_fused

torch.set_num_threads(THREADS)

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
MODES: dict[str, dict[str, Any]] = {"compiled": {}, "max-autotune": {"mode": "max-autotune"}}
FROZEN = {"freezing": True}  # the weights are packed for the products
VARIANTS = (
    "cell, eager, fused Adam",
    "cell, eager, foreach Adam",
    "nn, eager, fused Adam",
    "cell, compiled, fused Adam",
    "cell, compiled, compiled Adam",
    "cell, max-autotune, fused Adam",
)
DEEP = ("cell, compiled, compiled Adam", "cell, eager, fused Adam", "nn, eager, fused Adam")

State = tuple[Tensor, ...]
Weights = tuple[Tensor, ...]


def rnn_cell(A: Tensor, state: State, W: Weights) -> State:
    """One step: A is what comes from below, biases included."""
    return (torch.tanh(torch.addmm(A, state[0], W[0])),)


def gru_cell(A: Tensor, state: State, W: Weights) -> State:
    """The book's form: the reset gate acts before the product."""
    (H,), (W_zr, W_hh) = state, W
    width = 2 * H.shape[1]
    Z, R = torch.sigmoid(torch.addmm(A[:, :width], H, W_zr)).chunk(2, 1)
    return (torch.lerp(torch.tanh(torch.addmm(A[:, width:], R * H, W_hh)), H, Z),)


def lstm_cell(A: Tensor, state: State, W: Weights) -> State:
    """Gates i, f, o and c."""
    H, C = state
    A = torch.addmm(A, H, W[0])
    width = 3 * H.shape[1]
    I, F_, O = torch.sigmoid(A[:, :width]).chunk(3, 1)
    C = F_ * C + I * torch.tanh(A[:, width:])
    return O * torch.tanh(C), C


CELLS = {"rnn": rnn_cell, "gru": gru_cell, "lstm": lstm_cell}


def recurrent(cell: Callable, W_h: Tensor) -> Weights:
    """What a cell multiplies by, each contiguous."""
    width = 2 * len(W_h)
    return (W_h[:, :width].contiguous(), W_h[:, width:].contiguous()) if cell is gru_cell else (W_h,)


class Cells(nn.Module):
    """Layer after layer, step by step. W_y is transposed, as nn.Linear has it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.cell = CELLS[task.cell]
        params = [torch.from_numpy(array) for array in task.params()]
        params[-2] = params[-2].T.contiguous()
        self.weights = nn.ParameterList(params)
        zeros = torch.zeros(task.batch_size, task.hidden_dim)
        self.state = (zeros, zeros) if task.cell == "lstm" else (zeros,)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        """Mean cross-entropy; data, label (num_steps, batch_size)."""
        params = list(self.weights)
        outputs: list[Tensor] = []
        for W_x, W_h, b in by_layer(params):
            A = torch.stack(outputs) @ W_x if outputs else F.embedding(data, W_x)
            W, state, outputs = recurrent(self.cell, W_h), self.state, []
            for A_t in (A + b).unbind(0):
                state = self.cell(A_t, state, W)
                outputs.append(state[0])
        return F.cross_entropy(F.linear(torch.cat(outputs), *params[-2:]), label.flatten())

    def in_our_layout(self, of: Callable[[Tensor], Tensor]) -> Params:
        """What belongs to the weights, as the task has them."""
        *layers, W_y, b_y = (of(weight).numpy() for weight in self.weights)
        return [*layers, W_y.T, b_y]


class Layers(nn.Module):
    """nn.RNN, nn.GRU or nn.LSTM.

    A layer multiplies its inputs by a matrix: one-hot vectors by W_x where they are short, else rows of W_x
    by the identity.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.one_hot = task, task.short_vectors
        given = task.params()
        params = [*(to_fused(task.cell, array) for array in given[:-2]), *given[-2:]]
        self.embedding = nn.Embedding.from_pretrained(torch.from_numpy(params[0]), freeze=self.one_hot)
        if not self.one_hot:
            params[0] = np.eye(params[0].shape[1])
        self.rnn = LAYERS[task.cell](len(params[0]), task.hidden_dim, task.num_layers)
        self.linear = nn.Linear(task.hidden_dim, task.vocab_size)
        for parameter, array in zip(self._places(), params):
            parameter.data.copy_(torch.from_numpy(array.T))
        for *_, bias in self.rnn.all_weights:  # zero: the other bias stands in the same place
            nn.init.zeros_(bias.requires_grad_(False))
        self.rnn.weight_ih_l0.requires_grad_(self.one_hot)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        """Mean cross-entropy; data, label (num_steps, batch_size)."""
        X = F.one_hot(data, self.task.vocab_size).float() if self.one_hot else self.embedding(data)
        return F.cross_entropy(self.linear(self.rnn(X)[0]).flatten(0, 1), label.flatten())

    def in_our_layout(self, of: Callable[[Tensor], Tensor]) -> Params:
        """What belongs to the weights, as the task has them."""
        first, *others = self._places()
        entering = of(first).numpy().T if self.one_hot else of(self.embedding.weight).numpy()
        arrays = [entering, *(of(weight).numpy().T for weight in others)]
        return [*(from_fused(self.task.cell, array) for array in arrays[:-2]), *arrays[-2:]]

    def _places(self) -> list[Tensor]:
        """The parameters in the order of the task's, each transposed."""
        layers = (weight for layer in self.rnn.all_weights for weight in layer[:3])
        return [*layers, *self.linear.parameters()]


class PyTorch(Contender):
    """Trained by Adam, in one of VARIANTS."""

    def __init__(self, task: Task, variant: str = "cell, eager, fused Adam") -> None:
        layer, how, adam = variant.split(
            ", "
        )  # in decode, how it chooses a character takes the place of Adam
        self.theta = task.theta
        self.model: Any = (Layers if layer == "nn" else Cells)(task)
        self.reset = "after" if layer == "nn" else "before"
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        fast = {"fused" if adam == "fused Adam" else "foreach": True}
        self.optimizer = torch.optim.Adam(self.trained, task.lr, (BETA1, BETA2), EPS, **fast)
        mode = MODES.get(how)
        self.loss = torch.compile(self.model, fullgraph=True, **mode) if mode is not None else self.model
        self.update = torch.compile(self._update) if adam == "compiled Adam" else self._update
        self.decoding: tuple[str, str] = (how, adam)
        self.writing: Any = None

    @staticmethod
    def variants(task: Task) -> list[str]:
        """The layer, how its loss and gradient are computed, how Adam is."""
        return list(VARIANTS if task.num_layers == 1 else DEEP)

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        self.optimizer.zero_grad(set_to_none=True)
        data_, label_ = (torch.from_numpy(array.T.astype(np.int64)) for array in (data, label))
        loss = self.loss(data_, label_)
        loss.backward()
        self.update()
        return loss.item()

    def _update(self) -> None:
        """Clip the gradients and take a step."""
        nn.utils.clip_grad_norm_(self.trained, self.theta, foreach=True)
        self.optimizer.step()

    def moments(self) -> Params:
        """Of Adam."""
        return self.model.in_our_layout(lambda weight: self.optimizer.state[weight]["exp_avg"])

    @torch.inference_mode()
    def decode(self, first: list[int], num_chars: int, temperature: float) -> list[list[int]]:
        """As many characters after each first one, drawn at this temperature."""
        how, choice = self.decoding
        if self.writing is None:  # made once, as ours is
            writing = Writing(self.model, 10 if how == "ten compiled" else 1, CHOICES[choice])
            compiled = torch.compile(writing, fullgraph=True, dynamic=False, options=FROZEN)
            self.writing = writing if how == "eager" else compiled
        X, divisor, written = torch.tensor(first), torch.tensor(temperature), list[Tensor]()
        state = tuple(S.new_zeros(len(first), S.shape[1]) for S in self.model.state)
        while sum(chars.shape[1] for chars in written) < num_chars:
            chars, state = self.writing(X, state, divisor)
            written.append(chars)
            X = chars[:, -1]
        return torch.cat(written, 1)[:, :num_chars].tolist()


def by_sum(logits: Tensor, temperature: Tensor) -> Tensor:
    """The character up to which the probabilities pass a random number: how many sums do not."""
    up_to = torch.softmax(logits / temperature, 1).cumsum(1)
    return (up_to <= up_to[:, -1:] * torch.rand(len(logits), 1)).sum(1)


def by_search(logits: Tensor, temperature: Tensor) -> Tensor:
    """The same, found by bisection."""
    up_to = torch.softmax(logits / temperature, 1).cumsum(1)
    return torch.searchsorted(up_to, up_to[:, -1:] * torch.rand(len(logits), 1), right=True).squeeze(1)


def by_multinomial(logits: Tensor, temperature: Tensor) -> Tensor:
    """What textbooks write."""
    return torch.multinomial(torch.softmax(logits / temperature, 1), 1).squeeze(1)


def by_exponential(logits: Tensor, temperature: Tensor) -> Tensor:
    """What libraries for large models write: nothing that waits for a sum."""
    P = torch.softmax(logits / temperature, 1)
    return (P / torch.empty_like(P).exponential_()).argmax(1)


CHOICES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "argmax": lambda logits, temperature: logits.argmax(1),
    "sum": by_sum,
    "search": by_search,
    "multinomial": by_multinomial,
    "exponential": by_exponential,
}


class Writing(nn.Module):
    """num_steps characters of each stream, each read in turn."""

    def __init__(self, model: Cells, num_steps: int, choose: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        W_x, W_h, b, *output = model.weights
        self.cell, self.num_steps, self.choose = model.cell, num_steps, choose
        arrays = W_x + b, *recurrent(self.cell, W_h), *output
        self.weights = nn.ParameterList([array.detach() for array in arrays])

    def forward(self, X: Tensor, state: State, temperature: Tensor) -> tuple[Tensor, State]:
        """The characters after X, (streams, num_steps), and the state."""
        rows, *W, W_y, b_y = self.weights
        written = []
        for _ in range(self.num_steps):
            state = self.cell(F.embedding(X, rows), state, W)
            X = self.choose(F.linear(state[0], W_y, b_y), temperature)
            written.append(X)
        return torch.stack(written, 1), state


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts."""
    A, B = torch.from_numpy(a), torch.from_numpy(b)
    A_T, B_T, out = A.T.contiguous(), B.T.contiguous(), torch.empty(len(a), b.shape[1])
    pairs = (A, B), (A, B_T.T), (A_T.T, B)
    return [partial(torch.mm, *pair, out=out) for pair in pairs]
