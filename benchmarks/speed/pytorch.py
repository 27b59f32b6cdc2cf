"""PyTorch, eager and compiled: rows looked up, one output product over all steps, fused Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .work import BETA1, BETA2, EPS, THREADS, Params, Task

torch.set_num_threads(THREADS)


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


def loss_of(cell: Callable, data: Tensor, label: Tensor, state: State, params: list[Tensor]) -> Tensor:
    """Mean cross-entropy; data, label (num_steps, batch_size). W_y is transposed, as Linear has it."""
    W_x, W_h, b, W_y, b_y = params
    W = recurrent(cell, W_h)
    outputs = []
    for A in (F.embedding(data, W_x) + b).unbind(0):
        state = cell(A, state, W)
        outputs.append(state[0])
    return F.cross_entropy(F.linear(torch.cat(outputs), W_y, b_y), label.reshape(-1))


class Eager:
    """Operation by operation."""

    def __init__(self, task: Task) -> None:
        self.task, self.cell, self.loss_of = task, CELLS[task.cell], loss_of
        params = [torch.from_numpy(array) for array in task.params()]
        params[3] = params[3].T.contiguous()
        self.params = [param.requires_grad_() for param in params]
        self.optimizer = torch.optim.Adam(self.params, task.lr, (BETA1, BETA2), EPS, fused=True)
        zeros = torch.zeros(task.batch_size, task.hidden_dim)
        self.state = (zeros, zeros) if task.cell == "lstm" else (zeros,)

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        self.optimizer.zero_grad(set_to_none=True)
        data_, label_ = (torch.from_numpy(array.T.astype(np.int64)) for array in (data, label))
        loss = self.loss_of(self.cell, data_, label_, self.state, self.params)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, self.task.theta, foreach=True)
        self.optimizer.step()
        return loss.item()

    def moments(self) -> Params:
        """Of Adam."""
        m = [self.optimizer.state[param]["exp_avg"].numpy() for param in self.params]
        m[3] = m[3].T
        return Params(*m)

    @torch.inference_mode()
    def decode(self, first: list[int], num_chars: int) -> list[list[int]]:
        """As many characters after each first one, the likeliest each time."""
        W_x, W_h, b, W_y, b_y = self.params
        X, W, written = torch.tensor(first), recurrent(self.cell, W_h), []
        state = tuple(S.new_zeros(len(first), S.shape[1]) for S in self.state)
        for _ in range(num_chars):
            state = self.cell(F.embedding(X, W_x) + b, state, W)
            X = F.linear(state[0], W_y, b_y).argmax(1)
            written.append(X)
        return torch.stack(written, 1).tolist()


class Compiled(Eager):
    """The same, forward and backward through torch.compile, all steps in one graph."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.loss_of = torch.compile(loss_of, fullgraph=True, dynamic=False)


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts."""
    A, B = torch.from_numpy(a), torch.from_numpy(b)
    A_T, B_T, out = A.T.contiguous(), B.T.contiguous(), torch.empty(len(a), b.shape[1])
    pairs = (A, B), (A, B_T.T), (A_T.T, B)
    return [partial(torch.mm, *pair, out=out) for pair in pairs]
