"""Lesson 4: parameters, a state of zeros, and the network, held against hands, slopes, Gluon and the book."""

import json
import os
import subprocess
import sys
from importlib import import_module

import mxnet as mx
import numpy as np
import pytest
from cell_oracles import (
    BATCH_SIZE,
    CPU,
    HIDDEN_DIM,
    NUM_STEPS,
    VOCAB_SIZE,
    gluon_gradients,
    gradients,
    random_case,
    set_gluon_params,
    slopes,
)
from mxnet import autograd, gluon, nd

RNNParams = import_module("d2lrnn.rnn").RNNParams
SHAPES = {
    "W_xh": (VOCAB_SIZE, HIDDEN_DIM),
    "W_hh": (HIDDEN_DIM, HIDDEN_DIM),
    "b_h": (HIDDEN_DIM,),
    "W_hy": (HIDDEN_DIM, VOCAB_SIZE),
    "b_y": (VOCAB_SIZE,),
}


def test_parameters_have_the_names_and_shapes_of_the_formulas(subject):
    params = subject.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU)

    assert {name: param.shape for name, param in params._asdict().items()} == SHAPES
    assert params._fields == tuple(SHAPES)
    assert all(param.dtype == np.float32 for param in params)


@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_weights_are_normal_with_deviation_scale_and_biases_zero(subject, scale):
    mx.random.seed(0)
    options = {} if scale == 0.01 else {"scale": scale}

    params = subject.get_params(120, 150, CPU, **options)._asdict()

    for name in ("W_xh", "W_hh", "W_hy"):  # 18,000 numbers or more: the bounds are 5 deviations and wider
        weights = params[name].asnumpy() / scale
        assert weights.mean() == pytest.approx(0, abs=0.04)
        assert weights.std() == pytest.approx(1, abs=0.03)
        assert (abs(weights) < 1).mean() == pytest.approx(0.6827, abs=0.02)  # uniform ones: 0.577
    assert not params["b_h"].asnumpy().any() and not params["b_y"].asnumpy().any()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(subject):
    def drawn(seed):
        mx.random.seed(seed)
        return [param.asnumpy() for param in subject.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU)]

    assert all(np.array_equal(a, b) for a, b in zip(drawn(7), drawn(7)))
    assert not np.array_equal(drawn(7)[0], drawn(8)[0])


def test_every_parameter_has_its_gradient_attached(subject):
    params = subject.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU)

    with autograd.record():
        loss = sum((3 * param).sum() for param in params)
    loss.backward()

    assert [param.grad.shape for param in params] == list(SHAPES.values())
    assert all((param.grad == 3).asnumpy().all() for param in params)


def test_parameters_and_state_live_where_they_are_asked_to(subject):
    second = mx.cpu(1)  # a context of its own, on every machine

    arrays = [*subject.get_params(3, 2, second), *subject.init_rnn_state(3, 2, second)]

    assert {array.context for array in arrays} == {second}


@pytest.mark.parametrize(
    ("sizes", "options", "named"),
    [((0, 4), {}, "vocab_size"), ((5, 2.5), {}, "hidden_dim"), ((5, 4), {"scale": 0}, "scale")],
)
def test_parameters_of_no_size_are_refused_by_name(subject, sizes, options, named):
    with pytest.raises(ValueError, match=named):
        subject.get_params(*sizes, CPU, **options)


def test_the_first_state_is_one_matrix_of_zeros(subject):
    state = subject.init_rnn_state(BATCH_SIZE, HIDDEN_DIM, CPU)

    assert isinstance(state, tuple) and len(state) == 1
    np.testing.assert_array_equal(state[0].asnumpy(), np.zeros((BATCH_SIZE, HIDDEN_DIM), np.float32))


def test_a_state_of_no_rows_is_refused(subject):
    with pytest.raises(ValueError, match="batch_size"):
        subject.init_rnn_state(0, HIDDEN_DIM, CPU)


def test_two_steps_are_as_worked_by_hand(subject):
    params = RNNParams(*map(nd.array, ([[1.0], [2.0]], [[0.5]], [0.1], [[3.0, -2.0]], [0.25, -1.0])))

    outputs, (H,) = subject.rnn([nd.array([[0, 1]]), nd.array([[1, 0]])], (nd.array([[0.4]]),), params)

    # H_1 = tanh(2 + 0.5 * 0.4 + 0.1) = tanh(2.3), H_2 = tanh(1 + 0.5 * 0.980096 + 0.1) = tanh(1.590048)
    assert outputs[0].asnumpy()[0] == pytest.approx([3 * 0.980096 + 0.25, -2 * 0.980096 - 1], rel=1e-4)
    assert outputs[1].asnumpy()[0] == pytest.approx([3 * 0.920147 + 0.25, -2 * 0.920147 - 1], rel=1e-4)
    assert H.asnumpy() == pytest.approx(0.920147, rel=1e-4)


def test_recurrent_weights_lead_from_row_to_column(subject):
    params = RNNParams(*(nd.zeros(shape) for shape in SHAPES.values()))
    params.W_hh[0, 1] = 1  # from number 0 of the old state to number 1 of the new one
    old = nd.array([[0.5, 0, 0, 0]])

    _, (H,) = subject.rnn([nd.zeros((1, VOCAB_SIZE))], (old,), params)

    assert H.asnumpy()[0] == pytest.approx([0, np.tanh(0.5), 0, 0], rel=1e-4)


def test_outputs_are_one_matrix_a_step_and_the_last_comes_from_the_new_state(subject):
    inputs, state, params = random_case(RNNParams)

    outputs, new_state = subject.rnn(inputs, state, params)

    assert [Y.shape for Y in outputs] == [(BATCH_SIZE, VOCAB_SIZE)] * NUM_STEPS
    assert isinstance(new_state, tuple) and [H.shape for H in new_state] == [(BATCH_SIZE, HIDDEN_DIM)]
    last = new_state[0].asnumpy() @ params.W_hy.asnumpy() + params.b_y.asnumpy()
    np.testing.assert_allclose(outputs[-1].asnumpy(), last, rtol=1e-4)


@pytest.mark.parametrize("cut", range(1, NUM_STEPS))
def test_a_text_read_in_two_parts_gives_the_outputs_of_the_whole(subject, cut):
    inputs, state, params = random_case(RNNParams)

    whole, (H,) = subject.rnn(inputs, state, params)
    first, middle = subject.rnn(inputs[:cut], state, params)
    second, (H_again,) = subject.rnn(inputs[cut:], middle, params)

    np.testing.assert_allclose(nd.stack(*first, *second).asnumpy(), nd.stack(*whole).asnumpy(), rtol=1e-4)
    np.testing.assert_allclose(H_again.asnumpy(), H.asnumpy(), rtol=1e-4)


def test_a_row_of_the_batch_does_not_know_of_the_others(subject):
    inputs, (H,), params = random_case(RNNParams)

    together, _ = subject.rnn(inputs, (H,), params)
    alone, _ = subject.rnn([X[1:2] for X in inputs], (H[1:2],), params)

    np.testing.assert_allclose(nd.stack(*alone).asnumpy(), nd.stack(*together)[:, 1:2].asnumpy(), rtol=1e-4)


def test_reading_changes_neither_inputs_nor_state_nor_parameters(subject):
    inputs, state, params = random_case(RNNParams)
    before = [array.asnumpy() for array in (*inputs, *state, *params)]

    subject.rnn(inputs, state, params)

    assert all(np.array_equal(a.asnumpy(), b) for a, b in zip((*inputs, *state, *params), before))


@pytest.mark.parametrize("which", range(6), ids=[*SHAPES, "H"])
def test_the_gradient_is_the_slope_of_the_loss(subject, which):
    inputs, state, params = random_case(RNNParams)
    array = (*params, *state)[which]

    def everything():
        outputs, new_state = subject.rnn(inputs, state, params)
        return [*outputs, *new_state]

    np.testing.assert_allclose(gradients(everything, [array])[0], slopes(everything, array), rtol=1e-4)


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
        timeout=120,
    )
    book = json.loads(child.stdout)

    outputs, (H,) = subject.rnn(inputs, (H,), params)
    W_hy, b_y = params.W_hy.asnumpy(), params.b_y.asnumpy()
    for Y, states in zip(outputs, book["outputs"]):
        np.testing.assert_allclose(Y.asnumpy(), states @ W_hy + b_y, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(H.asnumpy(), book["H"], rtol=1e-4)
