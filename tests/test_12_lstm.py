"""Lesson 12: the LSTM held against hands, its gates open and shut, slopes, and the layer of Gluon."""

from importlib import import_module

import numpy as np
import pytest
from cell_laws import CellLaws
from cell_oracles import (
    BATCH_SIZE,
    HIDDEN_DIM,
    NUM_STEPS,
    VOCAB_SIZE,
    gluon_gradients,
    gradients,
    random_case,
    set_gluon_params,
)
from mxnet import gluon, nd

LSTMParams = import_module("d2lrnn.lstm").LSTMParams
OPEN, SHUT = 1000, -1000  # as a bias: the gate is 1, or 0, to the last bit


def test_a_step_is_as_worked_by_hand(subject):
    i, f = [[[1.0]], [[0.0]], [0.0]], [[[0.0]], [[1.0]], [0.5]]
    o, c = [[[0.0]], [[-1.0]], [0.0]], [[[0.2]], [[2.0]], [0.1]]
    params = LSTMParams(*map(nd.array, [*i, *f, *o, *c, [[3.0]], [1.0]]))

    (Y,), (H, C) = subject.lstm([nd.array([[1.0]])], (nd.array([[0.4]]), nd.array([[-2.0]])), params)

    # I = sigmoid(1) = 0.731059, F = sigmoid(0.9) = 0.710950, O = sigmoid(-0.4) = 0.401312
    # candidate = tanh(0.2 + 0.8 + 0.1) = 0.800499, C = -2 F + I * 0.800499 = -0.836687
    assert C.asscalar() == pytest.approx(-0.836687, rel=1e-4)
    assert H.asscalar() == pytest.approx(0.401312 * -0.684050, rel=1e-4)  # tanh(C) = -0.684050
    assert Y.asscalar() == pytest.approx(3 * -0.274518 + 1, rel=1e-4)


def test_a_cell_that_nothing_writes_to_or_erases_stays(subject):
    inputs, (H, C), params = random_case(LSTMParams, num_states=2)
    params.b_i[:], params.b_f[:] = SHUT, OPEN

    _, (_, new_C) = subject.lstm(inputs, (H, C), params)

    np.testing.assert_allclose(new_C.asnumpy(), C.asnumpy(), rtol=1e-4)


def test_a_cell_with_every_gate_open_counts_beyond_one_and_tanh_bounds_the_state(subject):
    inputs, (H, C), params = random_case(LSTMParams, num_states=2)
    params.b_i[:] = params.b_f[:] = params.b_o[:] = params.b_c[:] = OPEN  # the candidate is 1 as well

    _, (new_H, new_C) = subject.lstm(inputs, (H, C), params)

    np.testing.assert_allclose(new_C.asnumpy(), C.asnumpy() + NUM_STEPS, rtol=1e-4)
    np.testing.assert_allclose(new_H.asnumpy(), np.tanh(C.asnumpy() + NUM_STEPS), rtol=1e-4)


def test_where_the_output_gate_is_shut_the_state_is_zero_and_the_cell_is_not(subject):
    inputs, state, params = random_case(LSTMParams, num_states=2)
    params.b_o[:] = SHUT

    outputs, (H, C) = subject.lstm(inputs, state, params)

    assert not H.asnumpy().any() and abs(C.asnumpy()).min() > 0
    np.testing.assert_allclose(outputs[-1].asnumpy(), np.tile(params.b_y.asnumpy(), (BATCH_SIZE, 1)))


def test_it_is_gluon_s_lstm(subject):
    inputs, state, params = random_case(LSTMParams, num_states=2, dtype="float32")
    W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hy, b_y = params
    layer = gluon.rnn.LSTM(HIDDEN_DIM, input_size=VOCAB_SIZE)  # its order of gates: i, f, c, o
    set_gluon_params(layer, [W_xi, W_xf, W_xc, W_xo], [W_hi, W_hf, W_hc, W_ho], [b_i, b_f, b_c, b_o])

    def ours():
        outputs, new_state = subject.lstm(inputs, state, params)
        return [nd.stack(*outputs), *new_state]

    def theirs():
        states, (H, C) = layer(nd.stack(*inputs), [S.expand_dims(0) for S in state])
        return [nd.dot(states, W_hy) + b_y, H[0], C[0]]

    our_gradients, output_gradients = gradients(ours, params), gradients(theirs, [W_hy, b_y])
    I, F, C, O = gluon_gradients(layer, num_gates=4)

    # float32 leaves 1e-6 of error where numbers near 1 cancel out
    for a, b in zip(ours(), theirs()):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-6)
    for a, b in zip(our_gradients, [*I, *F, *O, *C, *output_gradients]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class TestLSTM(CellLaws):
    cell, get_params, init_state = "lstm", "get_lstm_params", "init_lstm_state"
    Params, gates, num_states = LSTMParams, "ifoc", 2
