"""Lesson 12: what get_lstm_params, init_lstm_state and lstm are asked."""

from __future__ import annotations

from .gru import cell_cases
from .rnn import params_cases, state_case

NAMES = (
    *("W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c"),
    *("W_hy", "b_y"),
)

CASES = [
    *params_cases("get_lstm_params", 12, NAMES),
    state_case("init_lstm_state", 12, 2),
    *cell_cases("lstm", 12, NAMES),
]
