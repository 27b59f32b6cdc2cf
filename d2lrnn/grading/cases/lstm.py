"""Lesson 12: what get_lstm_params, init_lstm_state and lstm are asked."""

from __future__ import annotations

from .gru import cell_cases
from .rnn import params_cases, state_case

NAMES = (
    *("W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c"),
    *("W_hy", "b_y"),
)


WRONG = (
    "12_lstm_gates_swapped",
    "12_lstm_tanh_of_cell_forgotten",
    "12_lstm_candidate_is_a_gate",
    "12_lstm_outputs_are_made_of_the_cell",
    "12_lstm_outputs_softmaxed",
    "12_lstm_state_not_carried",
)
STATES = (
    "12_lstm_cell_not_returned",
    "12_lstm_states_swapped",
    "12_lstm_one_state_returned",
    "12_lstm_returns_first_state",
)

CASES = [
    *params_cases("get_lstm_params", 12, NAMES),
    state_case("init_lstm_state", 12, 2),
    *cell_cases("lstm", 12, NAMES, WRONG, STATES, "12_lstm_state_detached_every_step"),
]
