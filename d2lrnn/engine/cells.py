"""One time step of each cell, forward and backward: for arrays (F = mx.nd) and for graphs (F = mx.sym).

A step gets A, what comes to each gate from below, and times: times(X, k) is X W_h + b of gate k in the
forward pass, and X W_h^T in the backward pass. Of what a step keeps for the backward pass, slopes are the
derivatives that do not depend on the gradient coming back: they are computed for all steps at once. What
remains is back, the chain rule of one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Arrays = Sequence[Any]  # of mx.nd or of mx.sym
Times = Callable[[Any, int], Any]


class Step(NamedTuple):
    """The new state, what has been multiplied by W_h, and what the backward pass needs."""

    state: Arrays
    fed: Arrays
    kept: Arrays


class Steps(NamedTuple):
    """The three functions of a cell. fed: for each gate, which of the arrays that step has multiplied."""

    step: Callable[..., Step]
    slopes: Callable[..., Arrays]
    back: Callable[..., tuple[Arrays, Arrays]]
    fed: tuple[int, ...]
    num_states: int


def rnn_step(F: Any, A: Arrays, state: Arrays, times: Times) -> Step:
    """The RNN: H = tanh(A + H W_hh + b_h)."""
    (H,) = state
    new = _tanh(F, add(F, A[0], times(H, 0)))
    return Step(state=(new,), fed=(H,), kept=(new,))


def rnn_slopes(F: Any, H: Any) -> Arrays:
    """dH/dA."""
    return (1 - F.square(H),)


def rnn_back(F: Any, dstate: Arrays, slopes: Arrays, times: Times) -> tuple[Arrays, Arrays]:
    """From dH to dA and the dH of the step before."""
    dA = dstate[0] * slopes[0]
    return (dA,), (times(dA, 0),)


def gru_step(F: Any, A: Arrays, state: Arrays, times: Times) -> Step:
    """The GRU, gates z, r and h; its new state Z H + (1 - Z) H_tilde is written with one product."""
    (H,) = state
    Z = _sigmoid(F, add(F, A[0], times(H, 0)))
    R = _sigmoid(F, add(F, A[1], times(H, 1)))
    RH = R * H
    H_tilde = _tanh(F, add(F, A[2], times(RH, 2)))
    change = Z * (H - H_tilde)
    return Step(state=(add(F, H_tilde, change),), fed=(H, RH), kept=(change, Z, RH, R, H_tilde))


def gru_slopes(F: Any, change: Any, Z: Any, RH: Any, R: Any, H_tilde: Any) -> Arrays:
    """d(new H)/dA of gates z and h, d(R H)/dA of gate r, and what H passes on directly.

    change: Z (H - H_tilde), which the new H has more than H_tilde.
    """
    return change * (1 - Z), RH * (1 - R), (1 - Z) * (1 - F.square(H_tilde)), Z, R


def gru_back(F: Any, dstate: Arrays, slopes: Arrays, times: Times) -> tuple[Arrays, Arrays]:
    """From dH to dA of each gate and the dH of the step before."""
    (dH,), (slope_z, slope_r, slope_h, Z, R) = dstate, slopes
    dA_z, dA_h = dH * slope_z, dH * slope_h
    dRH = times(dA_h, 2)
    dA_r = dRH * slope_r
    return (dA_z, dA_r, dA_h), (F.add_n(dH * Z, dRH * R, times(dA_z, 0), times(dA_r, 1)),)


def lstm_step(F: Any, A: Arrays, state: Arrays, times: Times) -> Step:
    """The LSTM, gates i, f, o and c."""
    H, C = state
    I, F_, O = (_sigmoid(F, add(F, A[k], times(H, k))) for k in range(3))
    C_tilde = _tanh(F, add(F, A[3], times(H, 3)))
    kept, added = F_ * C, I * C_tilde
    new = add(F, kept, added)
    tanh_C = _tanh(F, new)
    H_new = O * tanh_C
    return Step(state=(H_new, new), fed=(H,), kept=(I, F_, O, C_tilde, tanh_C, kept, added, H_new))


def lstm_slopes(
    F: Any, I: Any, F_: Any, O: Any, C_tilde: Any, tanh_C: Any, kept: Any, added: Any, H: Any
) -> Arrays:
    """d(new C)/dA of gates i, f and c, dH/dA of gate o, dH/d(new C), and what C passes on directly.

    kept: F C, added: I C_tilde, of which the new C is the sum; H: O tanh(new C).
    """
    slope_i, slope_f, slope_o = added * (1 - I), kept * (1 - F_), H * (1 - O)
    return slope_i, slope_f, slope_o, I - added * C_tilde, O - H * tanh_C, F_


def lstm_back(F: Any, dstate: Arrays, slopes: Arrays, times: Times) -> tuple[Arrays, Arrays]:
    """From dH and dC to dA of each gate, and dH and dC of the step before."""
    (dH, dC), (slope_i, slope_f, slope_o, slope_c, slope_H, F_) = dstate, slopes
    dC = add(F, dC, dH * slope_H)
    dA = dC * slope_i, dC * slope_f, dH * slope_o, dC * slope_c
    return dA, (F.add_n(*[times(dA_k, k) for k, dA_k in enumerate(dA)]), dC * F_)


def add(F: Any, X: Any, Y: Any) -> Any:
    """X + Y of one shape; for small arrays, in half the time of X + Y."""
    return F.broadcast_add(X, Y)


def _tanh(F: Any, X: Any) -> Any:
    return F.Activation(X, act_type="tanh")  # on a CPU twenty times as fast as F.tanh


def _sigmoid(F: Any, X: Any) -> Any:
    return F.Activation(X, act_type="sigmoid")


RNN = Steps(rnn_step, rnn_slopes, rnn_back, fed=(0,), num_states=1)
GRU = Steps(gru_step, gru_slopes, gru_back, fed=(0, 0, 1), num_states=1)
LSTM = Steps(lstm_step, lstm_slopes, lstm_back, fed=(0, 0, 0, 0), num_states=2)
