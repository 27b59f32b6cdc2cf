"""NumPy: the gradients written by hand, every product a call of BLAS, all else in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .work import BETA1, BETA2, EPS, Contender, Params, Task, by_layer


def sigmoid(A: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-A)) by way of tanh, which does not overflow."""
    return 0.5 * np.tanh(0.5 * A) + 0.5


class Bptt(Contender):
    """Backpropagation through time, step by step."""

    def __init__(self, task: Task, variant: str = "") -> None:
        self.task, self.t = task, 0
        self.params = task.params()
        self.m, self.v = ([np.zeros_like(param) for param in self.params] for _ in range(2))
        self.forward: Any
        self.backward: Any
        self.forward, self.backward = CELLS[task.cell]

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        *_, W_y, b_y = self.params
        data, label = data.T.reshape(-1), label.T.reshape(-1)  # time-major
        outputs, passed = data, list[Any]()
        for W_x, W_h, b in by_layer(self.params):
            X = outputs  # the indices, then what the layer below hands up
            A = (X @ W_x if passed else W_x[X]) + b
            H, kept = self.forward(A.reshape(self.task.num_steps, -1, len(b)), W_h)  # H_0 … H_T
            outputs = _flat(H[1:])
            passed.append((X, W_x, W_h, H, kept))
        dY = outputs @ W_y
        dY += b_y
        dY -= dY.max(axis=1, keepdims=True)
        logits = dY[np.arange(len(data)), label]
        np.exp(dY, out=dY)
        sums = dY.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(sums[:, 0]) - logits))
        dY /= sums * len(data)
        dY[np.arange(len(data)), label] -= 1 / len(data)
        g, dH = [outputs.T @ dY, dY.sum(axis=0)], dY @ W_y.T
        while passed:
            X, W_x, W_h, H, kept = passed.pop()
            dA, dW_h = self.backward(dH.reshape(H[1:].shape), H, kept, W_h)
            dA = _flat(dA)
            g[:0] = X.T @ dA if passed else _sum_rows(dA, X, len(W_x)), dW_h, dA.sum(axis=0)
            dH = dA @ W_x.T if passed else dH
        self._adam(g)
        return loss

    def _adam(self, g: Params) -> None:
        norm = float(np.sqrt(sum(np.vdot(one, one) for one in g)))
        self.t += 1
        m_scale, v_scale = 1 / (1 - BETA1**self.t), 1 / (1 - BETA2**self.t)
        for param, one, m, v in zip(self.params, g, self.m, self.v):
            one *= min(1, self.task.theta / norm)
            m *= BETA1
            m += (1 - BETA1) * one
            v *= BETA2
            v += (1 - BETA2) * np.square(one, out=one)
            root = np.sqrt(v * v_scale)
            root += EPS
            param -= np.divide(m * (self.task.lr * m_scale), root, out=root)

    def moments(self) -> Params:
        """Of Adam."""
        return self.m


def _sum_rows(rows: np.ndarray, indices: np.ndarray, num_rows: int) -> np.ndarray:
    """What np.add.at does, much faster: rows of the same index lie side by side and are added at once."""
    order = np.argsort(indices, kind="stable")
    present, begins = np.unique(indices[order], return_index=True)
    total = np.zeros((num_rows, rows.shape[1]), rows.dtype)
    total[present] = np.add.reduceat(rows[order], begins, axis=0)
    return total


def rnn(A: np.ndarray, W_h: np.ndarray) -> tuple[np.ndarray, None]:
    """H_0 … H_T of what comes from below, A (num_steps, batch_size, hidden_dim)."""
    H = np.zeros((len(A) + 1, *A.shape[1:]), np.float32)
    for t in range(len(A)):
        np.tanh(A[t] + H[t] @ W_h, out=H[t + 1])
    return H, None


def rnn_back(dH: np.ndarray, H: np.ndarray, kept: None, W_h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of A and W_h, from those of the outputs."""
    slope = 1 - H[1:] ** 2
    dA = dH * slope
    for t in range(len(dH) - 2, -1, -1):
        dA[t] += (dA[t + 1] @ W_h.T) * slope[t]
    return dA, _flat(H[:-1]).T @ _flat(dA)


def gru(A: np.ndarray, W_h: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Kept: Z, R and the candidates of all steps, side by side."""
    width = A.shape[2] // 3
    H, gates = np.zeros((len(A) + 1, A.shape[1], width), np.float32), np.empty_like(A)
    W_zr, W_hh = (np.ascontiguousarray(W) for W in (W_h[:, : 2 * width], W_h[:, 2 * width :]))
    for t in range(len(A)):
        gates[t, :, : 2 * width] = sigmoid(A[t, :, : 2 * width] + H[t] @ W_zr)
        Z, R = gates[t, :, :width], gates[t, :, width : 2 * width]
        candidate = np.tanh(A[t, :, 2 * width :] + (R * H[t]) @ W_hh)
        gates[t, :, 2 * width :] = candidate
        H[t + 1] = candidate + Z * (H[t] - candidate)
    return H, (gates, W_zr, W_hh)


def gru_back(dH: np.ndarray, H: np.ndarray, kept: tuple, W_h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of A and W_h, from those of the outputs."""
    gates, W_zr, W_hh = kept
    Z, R, candidate = np.split(gates, 3, axis=2)
    dA, width = np.empty_like(gates), H.shape[2]
    dZ, dR, dC = np.split(dA, 3, axis=2)  # views
    carried = np.zeros_like(H[0])
    for t in range(len(dH) - 1, -1, -1):
        dh = dH[t] + carried
        dC[t] = dh * (1 - Z[t]) * (1 - candidate[t] ** 2)
        dZ[t] = dh * (H[t] - candidate[t]) * Z[t] * (1 - Z[t])
        dRH = dC[t] @ W_hh.T
        dR[t] = dRH * H[t] * R[t] * (1 - R[t])
        carried = dh * Z[t] + dRH * R[t] + dA[t, :, : 2 * width] @ W_zr.T
    dW_zr = _flat(H[:-1]).T @ _flat(dA[:, :, : 2 * width])
    return dA, np.concatenate([dW_zr, _flat(R * H[:-1]).T @ _flat(dC)], axis=1)


def lstm(A: np.ndarray, W_h: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Kept: C_0 … C_T, tanh(C), and the gates of all steps, side by side."""
    width = A.shape[2] // 4
    H, C = (np.zeros((len(A) + 1, A.shape[1], width), np.float32) for _ in range(2))
    gates, tanh_C = np.empty_like(A), np.empty_like(H[1:])
    for t in range(len(A)):
        now = A[t] + H[t] @ W_h
        gates[t, :, : 3 * width] = sigmoid(now[:, : 3 * width])
        np.tanh(now[:, 3 * width :], out=gates[t, :, 3 * width :])
        I, F, O, candidate = np.split(gates[t], 4, axis=1)
        C[t + 1] = F * C[t] + I * candidate
        np.tanh(C[t + 1], out=tanh_C[t])
        H[t + 1] = O * tanh_C[t]
    return H, (C, tanh_C, gates)


def lstm_back(dH: np.ndarray, H: np.ndarray, kept: tuple, W_h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of A and W_h, from those of the outputs."""
    C, tanh_C, gates = kept
    I, F, O, candidate = np.split(gates, 4, axis=2)
    dA = np.empty_like(gates)
    dI, dF, dO, dC_tilde = np.split(dA, 4, axis=2)  # views
    carried, dC = np.zeros_like(H[0]), np.zeros_like(H[0])
    for t in range(len(dH) - 1, -1, -1):
        dh = dH[t] + carried
        dC += dh * O[t] * (1 - tanh_C[t] ** 2)
        dO[t] = dh * tanh_C[t] * O[t] * (1 - O[t])
        dI[t] = dC * candidate[t] * I[t] * (1 - I[t])
        dF[t] = dC * C[t] * F[t] * (1 - F[t])
        dC_tilde[t] = dC * I[t] * (1 - candidate[t] ** 2)
        carried = dA[t] @ W_h.T
        dC *= F[t]
    return dA, _flat(H[:-1]).T @ _flat(dA)


def _flat(steps: np.ndarray) -> np.ndarray:
    return steps.reshape(-1, steps.shape[2])


CELLS = {"rnn": (rnn, rnn_back), "gru": (gru, gru_back), "lstm": (lstm, lstm_back)}


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts."""
    out = np.empty((len(a), b.shape[1]), a.dtype)
    pairs = (a, b), (a, np.asfortranarray(b)), (np.asfortranarray(a), b)
    return [partial(np.dot, *pair, out=out) for pair in pairs]
