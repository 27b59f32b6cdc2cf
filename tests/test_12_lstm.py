"""Lesson 12: the LSTM held against hands, its gates open and shut, slopes, and the layer of Gluon."""

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
    shape_of,
    slopes,
)
from mxnet import autograd, gluon, nd

LSTMParams = import_module("d2lrnn.lstm").LSTMParams
NAMES = [name for g in "ifoc" for name in (f"W_x{g}", f"W_h{g}", f"b_{g}")] + ["W_hy", "b_y"]
OPEN, SHUT = 1000, -1000  # as a bias: the gate is 1, or 0, to the last bit


def test_parameters_have_the_names_and_shapes_of_the_formulas(subject):
    params = subject.get_lstm_params(VOCAB_SIZE, HIDDEN_DIM, CPU)

    assert list(params._fields) == NAMES
    assert [param.shape for param in params] == [shape_of(name) for name in NAMES]


def test_weights_are_normal_with_deviation_scale_and_biases_zero(subject):
    mx.random.seed(0)

    small = subject.get_lstm_params(120, 150, CPU)._asdict()
    large = subject.get_lstm_params(120, 150, CPU, scale=0.5)._asdict()

    for name in NAMES:
        for params, scale in ((small, 0.01), (large, 0.5)):
            numbers = params[name].asnumpy() / scale
            assert numbers.mean() == pytest.approx(0, abs=0.04)
            assert numbers.std() == pytest.approx(1 if name[0] == "W" else 0, abs=0.03)


def test_no_two_gates_start_alike_and_a_seed_repeats_them_all(subject):
    def drawn(seed):
        mx.random.seed(seed)
        return [param.asnumpy() for param in subject.get_lstm_params(VOCAB_SIZE, HIDDEN_DIM, CPU)]

    first = drawn(7)

    assert all(np.array_equal(a, b) for a, b in zip(first, drawn(7)))
    assert len({weights.tobytes() for weights in first[0:12:3]}) == 4
    assert len({weights.tobytes() for weights in first[1:12:3]}) == 4


def test_every_parameter_has_its_gradient_attached(subject):
    params = subject.get_lstm_params(VOCAB_SIZE, HIDDEN_DIM, CPU)

    with autograd.record():
        loss = sum((3 * param).sum() for param in params)
    loss.backward()

    assert all((param.grad == 3).asnumpy().all() for param in params)


def test_parameters_and_state_live_where_they_are_asked_to(subject):
    second = mx.cpu(1)

    arrays = [*subject.get_lstm_params(3, 2, second), *subject.init_lstm_state(3, 2, second)]

    assert {array.context for array in arrays} == {second}


@pytest.mark.parametrize(
    ("sizes", "options", "named"),
    [((0, 4), {}, "vocab_size"), ((5, 2.5), {}, "hidden_dim"), ((5, 4), {"scale": 0}, "scale")],
)
def test_parameters_of_no_size_are_refused_by_name(subject, sizes, options, named):
    with pytest.raises(ValueError, match=named):
        subject.get_lstm_params(*sizes, CPU, **options)


def test_the_first_state_is_two_matrices_of_zeros_that_are_not_one(subject):
    H, C = subject.init_lstm_state(BATCH_SIZE, HIDDEN_DIM, CPU)
    H[:] = 1

    np.testing.assert_array_equal(C.asnumpy(), np.zeros((BATCH_SIZE, HIDDEN_DIM), np.float32))
    assert H.shape == C.shape
    assert not subject.init_lstm_state(BATCH_SIZE, HIDDEN_DIM, CPU)[0].asnumpy().any()


def test_a_state_of_no_rows_is_refused(subject):
    with pytest.raises(ValueError, match="batch_size"):
        subject.init_lstm_state(0, HIDDEN_DIM, CPU)


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


def test_outputs_are_one_matrix_a_step_and_the_last_comes_from_the_new_state(subject):
    inputs, state, params = random_case(LSTMParams, num_states=2)

    outputs, new_state = subject.lstm(inputs, state, params)

    assert [Y.shape for Y in outputs] == [(BATCH_SIZE, VOCAB_SIZE)] * NUM_STEPS
    assert isinstance(new_state, tuple) and [S.shape for S in new_state] == [(BATCH_SIZE, HIDDEN_DIM)] * 2
    last = nd.dot(new_state[0], params.W_hy) + params.b_y
    np.testing.assert_allclose(outputs[-1].asnumpy(), last.asnumpy(), rtol=1e-4)


@pytest.mark.parametrize("cut", range(1, NUM_STEPS))
def test_a_text_read_in_two_parts_gives_the_outputs_of_the_whole(subject, cut):
    inputs, state, params = random_case(LSTMParams, num_states=2)

    whole, new_state = subject.lstm(inputs, state, params)
    first, middle = subject.lstm(inputs[:cut], state, params)
    second, state_again = subject.lstm(inputs[cut:], middle, params)

    np.testing.assert_allclose(nd.stack(*first, *second).asnumpy(), nd.stack(*whole).asnumpy(), rtol=1e-4)
    np.testing.assert_allclose(nd.stack(*state_again).asnumpy(), nd.stack(*new_state).asnumpy(), rtol=1e-4)


def test_reading_changes_neither_inputs_nor_state_nor_parameters(subject):
    inputs, state, params = random_case(LSTMParams, num_states=2)
    before = [array.asnumpy() for array in (*inputs, *state, *params)]

    subject.lstm(inputs, state, params)

    assert all(np.array_equal(a.asnumpy(), b) for a, b in zip((*inputs, *state, *params), before))


@pytest.mark.parametrize("which", range(16), ids=[*NAMES, "H", "C"])
def test_the_gradient_is_the_slope_of_the_loss(subject, which):
    inputs, state, params = random_case(LSTMParams, num_states=2)
    array = (*params, *state)[which]

    def everything():
        outputs, new_state = subject.lstm(inputs, state, params)
        return [*outputs, *new_state]

    np.testing.assert_allclose(gradients(everything, [array])[0], slopes(everything, array), rtol=1e-4)
