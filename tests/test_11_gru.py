"""Lesson 11: the GRU in the book's form, held against hands, numpy, slopes, and Gluon where the two agree."""

from importlib import import_module

import numpy as np
import pytest
from cell_laws import CellLaws
from cell_oracles import (
    HIDDEN_DIM,
    VOCAB_SIZE,
    gluon_gradients,
    gradients,
    random_case,
    set_gluon_params,
)
from mxnet import gluon, nd

GRUParams = import_module("d2lrnn.gru").GRUParams
OPEN, SHUT = 1000, -1000  # as a bias: the gate is 1, or 0, to the last bit


def sigmoid(A):
    return 1 / (1 + np.exp(-A))


def numpy_gru(inputs, state, params, *, reset_after=False):
    """The outputs and the last state. reset_after: R acts on the product H W_hh, as in Gluon and cuDNN."""
    H = state[0].asnumpy()
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = (param.asnumpy() for param in params)
    outputs = []
    for X in (X.asnumpy() for X in inputs):
        Z = sigmoid(X @ W_xz + H @ W_hz + b_z)
        R = sigmoid(X @ W_xr + H @ W_hr + b_r)
        from_state = R * (H @ W_hh) if reset_after else (R * H) @ W_hh
        H = Z * H + (1 - Z) * np.tanh(X @ W_xh + from_state + b_h)
        outputs.append(H @ W_hy + b_y)
    return np.stack(outputs), H


def gluon_gru(inputs, state, params):
    """A Gluon layer with our weights, and a function that gives its outputs and its state as ours does."""
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = params
    layer = gluon.rnn.GRU(HIDDEN_DIM, input_size=VOCAB_SIZE)
    set_gluon_params(layer, [W_xr, W_xz, W_xh], [W_hr, W_hz, W_hh], [b_r, b_z, b_h])  # its order: r, z, h

    def read():
        states, (H,) = layer(nd.stack(*inputs), [state[0].expand_dims(0)])
        return [nd.dot(states, W_hy) + b_y, H[0]]

    return layer, read


def test_a_step_is_as_worked_by_hand(subject):
    z, r = [[[0.0]], [[1.0]], [0.5]], [[[1.0]], [[0.0]], [0.0]]
    h, y = [[[0.2]], [[2.0]], [0.1]], [[[3.0]], [1.0]]
    params = GRUParams(*map(nd.array, [*z, *r, *h, *y]))

    (Y,), (H,) = subject.gru([nd.array([[1.0]])], (nd.array([[0.4]]),), params)

    # Z = sigmoid(0.4 + 0.5) = 0.710950, R = sigmoid(1) = 0.731059
    # candidate = tanh(0.2 + 2 * 0.731059 * 0.4 + 0.1) = tanh(0.884847) = 0.708839
    assert H.asscalar() == pytest.approx(0.710950 * 0.4 + 0.289050 * 0.708839, rel=1e-4)
    assert Y.asscalar() == pytest.approx(3 * 0.489270 + 1, rel=1e-4)


def test_where_the_update_gate_is_open_the_state_stays(subject):
    inputs, state, params = random_case(GRUParams)
    params.b_z[:] = OPEN

    _, (H,) = subject.gru(inputs, state, params)

    np.testing.assert_allclose(H.asnumpy(), state[0].asnumpy(), rtol=1e-4)


def test_where_both_gates_are_shut_only_the_last_character_counts(subject):
    inputs, state, params = random_case(GRUParams)
    params.b_z[:] = params.b_r[:] = SHUT

    _, (H,) = subject.gru(inputs, state, params)

    candidate = nd.tanh(nd.dot(inputs[-1], params.W_xh) + params.b_h)
    np.testing.assert_allclose(H.asnumpy(), candidate.asnumpy(), rtol=1e-4)


def test_the_reset_gate_acts_on_the_state_before_its_product(subject):
    inputs, state, params = random_case(GRUParams)
    outputs, (H,) = subject.gru(inputs, state, params)

    book_outputs, book_H = numpy_gru(inputs, state, params)

    np.testing.assert_allclose(nd.stack(*outputs).asnumpy(), book_outputs, rtol=1e-4)
    np.testing.assert_allclose(H.asnumpy(), book_H, rtol=1e-4)


def test_gluon_s_gru_resets_after_the_product_and_so_differs(subject):
    case = random_case(GRUParams, dtype="float32")
    theirs = gluon_gru(*case)[1]()[1].asnumpy()

    _, (H,) = subject.gru(*case)

    np.testing.assert_allclose(theirs, numpy_gru(*case, reset_after=True)[1], rtol=1e-4, atol=1e-6)
    assert abs(H.asnumpy() - theirs).max() > 0.01


def test_it_is_gluon_s_gru_where_the_reset_gate_is_open(subject):
    inputs, state, params = random_case(GRUParams, dtype="float32")
    params.b_r[:] = OPEN
    layer, theirs = gluon_gru(inputs, state, params)

    def ours():
        outputs, new_state = subject.gru(inputs, state, params)
        return [nd.stack(*outputs), *new_state]

    our_gradients = gradients(ours, params)
    output_gradients = gradients(theirs, [params.W_hy, params.b_y])
    R, Z, H = gluon_gradients(layer, num_gates=3)

    # float32 leaves 1e-6 of error where numbers near 1 cancel out
    for a, b in zip(ours(), theirs()):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-6)
    for a, b in zip(our_gradients, [*Z, *R, *H, *output_gradients]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class TestGRU(CellLaws):
    cell, get_params, init_state = "gru", "get_gru_params", "init_gru_state"
    Params, gates = GRUParams, "zrh"
