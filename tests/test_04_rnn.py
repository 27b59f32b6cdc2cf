"""Lesson 4: parameters, a state of zeros, and the network, held against hands, slopes, Gluon and the book."""

import json
import os
import subprocess
import sys
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
    shape_of,
)
from mxnet import gluon, nd

RNNParams = import_module("d2lrnn.rnn").RNNParams


def test_two_steps_are_as_worked_by_hand(subject):
    params = RNNParams(*map(nd.array, ([[1.0], [2.0]], [[0.5]], [0.1], [[3.0, -2.0]], [0.25, -1.0])))

    outputs, (H,) = subject.rnn([nd.array([[0, 1]]), nd.array([[1, 0]])], (nd.array([[0.4]]),), params)

    # H_1 = tanh(2 + 0.5 * 0.4 + 0.1) = tanh(2.3), H_2 = tanh(1 + 0.5 * 0.980096 + 0.1) = tanh(1.590048)
    assert outputs[0].asnumpy()[0] == pytest.approx([3 * 0.980096 + 0.25, -2 * 0.980096 - 1], rel=1e-4)
    assert outputs[1].asnumpy()[0] == pytest.approx([3 * 0.920147 + 0.25, -2 * 0.920147 - 1], rel=1e-4)
    assert H.asnumpy() == pytest.approx(0.920147, rel=1e-4)


def test_recurrent_weights_lead_from_row_to_column(subject):
    params = RNNParams(*(nd.zeros(shape_of(name)) for name in RNNParams._fields))
    params.W_hh[0, 1] = 1  # from number 0 of the old state to number 1 of the new one
    old = nd.array([[0.5, 0, 0, 0]])

    _, (H,) = subject.rnn([nd.zeros((1, VOCAB_SIZE))], (old,), params)

    assert H.asnumpy()[0] == pytest.approx([0, np.tanh(0.5), 0, 0], rel=1e-4)


def test_it_is_the_rnn_of_gluon_with_tanh(subject):
    inputs, state, params = random_case(RNNParams, dtype="float32")
    W_xh, W_hh, b_h, W_hy, b_y = params
    layer = gluon.rnn.RNN(HIDDEN_DIM, activation="tanh", input_size=VOCAB_SIZE)
    set_gluon_params(layer, [W_xh], [W_hh], [b_h])

    def ours():
        outputs, new_state = subject.rnn(inputs, state, params)
        return [nd.stack(*outputs), *new_state]

    def theirs():
        states, (H,) = layer(nd.stack(*inputs), [state[0].expand_dims(0)])
        return [nd.dot(states, W_hy) + b_y, H[0]]

    our_gradients, their_gradients = gradients(ours, params), gradients(theirs, [W_hy, b_y])
    their_gradients = [*gluon_gradients(layer, num_gates=1)[0], *their_gradients]

    # float32 leaves 1e-6 of error where numbers near 1 cancel out
    for a, b in zip(ours(), theirs()):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-6)
    for a, b in zip(our_gradients, their_gradients):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


D2L = """
import json, sys
import d2lrnn
from d2l import mxnet as d2l
case = json.load(sys.stdin)
model = d2l.RNNScratch(case["vocab_size"], case["hidden_dim"])
model.W_xh, model.W_hh, model.b_h = (d2l.np.array(case[name]) for name in ("W_xh", "W_hh", "b_h"))
outputs, H = model(d2l.np.array(case["inputs"]), (d2l.np.array(case["H"]),))
json.dump({"outputs": [Y.tolist() for Y in outputs], "H": H.tolist()}, sys.stdout)
"""


@pytest.mark.slow
def test_it_is_the_rnn_of_the_book(subject):
    inputs, (H,), params = random_case(RNNParams, dtype="float32")
    case = {"inputs": nd.stack(*inputs), "H": H, **params._asdict()}
    case = {name: array.asnumpy().tolist() for name, array in case.items()}
    case.update(vocab_size=VOCAB_SIZE, hidden_dim=HIDDEN_DIM)

    # In a child, because importing d2l calls npx.set_np(), after which Gluon refuses NDArrays.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    command = [sys.executable, "-W", "ignore", "-c", D2L]
    child = subprocess.run(
        command,
        input=json.dumps(case),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    book = json.loads(child.stdout)

    outputs, (H,) = subject.rnn(inputs, (H,), params)
    W_hy, b_y = params.W_hy.asnumpy(), params.b_y.asnumpy()
    for Y, states in zip(outputs, book["outputs"]):
        np.testing.assert_allclose(Y.asnumpy(), states @ W_hy + b_y, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(H.asnumpy(), book["H"], rtol=1e-4)


class TestRNN(CellLaws):
    Params = RNNParams
