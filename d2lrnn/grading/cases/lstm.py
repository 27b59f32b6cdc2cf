"""Lesson 12: what get_lstm_params, init_lstm_state and lstm are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mxnet import nd

from ..case import Mistake, doing
from .gru import cell_cases
from .rnn import drive_new_state, params_cases, state_case

NAMES = (
    *("W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c"),
    *("W_hy", "b_y"),
)


def mistaken(
    *,
    swapped: bool = False,
    bent: bool = True,
    candidate_bent: bool = True,
    carried: bool = True,
    detached: bool = False,
    output: Callable = lambda Y: Y,
    reads_cell: bool = False,
    returned: Callable = lambda H, C: (H, C),
) -> Callable:
    """An lstm with one thing wrong."""

    def lstm(inputs: Any, state: Any, params: Any) -> Any:
        H, C = state
        W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hy, b_y = params
        outputs = []
        for X in inputs:
            H, C = (H, C) if carried else state
            H, C = (H.detach(), C.detach()) if detached else (H, C)
            I = nd.sigmoid(nd.dot(X, W_xi) + nd.dot(H, W_hi) + b_i)
            F = nd.sigmoid(nd.dot(X, W_xf) + nd.dot(H, W_hf) + b_f)
            O = nd.sigmoid(nd.dot(X, W_xo) + nd.dot(H, W_ho) + b_o)
            A = nd.dot(X, W_xc) + nd.dot(H, W_hc) + b_c
            candidate = nd.tanh(A) if candidate_bent else nd.sigmoid(A)
            C = I * C + F * candidate if swapped else F * C + I * candidate
            H = O * nd.tanh(C) if bent else O * C
            outputs.append(output(nd.dot(C if reads_cell else H, W_hy) + b_y))
        return outputs, returned(H, C)

    return lstm


WRONG = {
    "the forget gate and the input gate have changed places: F keeps the old cell, I lets the candidate in": (
        mistaken(swapped=True)
    ),
    "H is O times the cell as it is: tanh, which keeps H between -1 and 1, is forgotten": mistaken(
        bent=False
    ),
    "the candidate is bent by the sigmoid: it is no gate, and needs both signs. Use tanh": mistaken(
        candidate_bent=False
    ),
    "the outputs are made of the cell C: they are made of the state H": mistaken(reads_cell=True),
    "your outputs are probabilities: give the logits, the loss takes the softmax itself": mistaken(
        output=nd.softmax
    ),
    "every time step starts from the first state: what the last step has read is forgotten": mistaken(
        carried=False
    ),
}
STATES = (
    Mistake(
        "H is returned twice: the cell C is the second state, and without it its memory ends with the batch",
        twin=doing(drive_new_state, lstm=mistaken(returned=lambda H, C: (H, H))),
    ),
    Mistake(
        "the two states have changed places: (H, C), in this order",
        twin=doing(drive_new_state, lstm=mistaken(returned=lambda H, C: (C, H))),
    ),
    Mistake(
        "one state is returned: an LSTM carries two, (H, C)",
        twin=doing(drive_new_state, lstm=mistaken(returned=lambda H, C: (H,))),
    ),
    Mistake(
        "the state that came in is returned, not the one after the last step",
        twin=lambda inputs: inputs["state"],
    ),
)

CASES = [
    *params_cases("get_lstm_params", 12, NAMES),
    state_case("init_lstm_state", 12, 2),
    *cell_cases("lstm", 12, NAMES, WRONG, STATES, mistaken(detached=True)),
]
