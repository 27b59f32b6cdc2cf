"""Lesson 10: gradients by hand, held against a sum on paper, autograd, and slopes of the loss in float64."""

from importlib import import_module

from d2lrnn import cross_entropy, grad_clipping, rnn

import numpy as np
import pytest
from cell_oracles import BATCH_SIZE, CPU, NUM_STEPS, VOCAB_SIZE, random_case
from mxnet import autograd, nd

RNNParams = import_module("d2lrnn.rnn").RNNParams


def case(dtype="float64"):
    inputs, state, params = random_case(RNNParams, dtype=dtype)
    label = np.random.default_rng(4).integers(VOCAB_SIZE, size=(BATCH_SIZE, NUM_STEPS))
    return inputs, nd.array(label, CPU, "int32"), state, params


def one_unit():
    """Two steps of one hidden unit and two characters, whose logits are (y, 0)."""
    params = RNNParams(*map(nd.array, ([[1.0], [2.0]], [[0.5]], [0.1], [[3.0, 0.0]], [0.0, 0.0])))
    inputs = [nd.array([[0, 1]]), nd.array([[1, 0]])]
    return inputs, nd.array([[0, 1]], dtype="int32"), (nd.array([[0.4]]),), params


def autograd_of(inputs, label, state, params):
    for param in params:
        param.attach_grad()
    with autograd.record():
        outputs, _ = rnn(inputs, state, params)
        loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    loss.backward()
    return loss, [param.grad.asnumpy() for param in params]


def loss_in_numpy(inputs, label, H, params):
    """The mean cross-entropy, and the states H_0 … H_T, by nothing but numpy."""
    W_xh, W_hh, b_h, W_hy, b_y = params
    nats, states = 0, [H]
    for t, X in enumerate(inputs):
        H = np.tanh(X @ W_xh + H @ W_hh + b_h)
        states.append(H)
        Y = H @ W_hy + b_y
        nats += (np.log(np.exp(Y).sum(axis=1)) - Y[np.arange(len(Y)), label[:, t]]).sum()
    return nats / label.size, states


def slopes(function, array, eps=1e-5):
    """d function() / d array, one number after the other, by central differences."""
    result = np.zeros(array.shape)
    for i in np.ndindex(array.shape):
        original = array[i]
        array[i] = original + eps
        above = function()
        array[i] = original - eps
        result[i] = (above - function()) / (2 * eps)
        array[i] = original
    return result


def numbers(inputs, label, state, params):
    return [X.asnumpy() for X in inputs], label.asnumpy(), state[0].asnumpy(), [p.asnumpy() for p in params]


def test_two_steps_of_one_unit_are_as_worked_by_hand(subject):
    loss, gradients = subject.bptt(*one_unit())

    # H_1 = tanh(2 + 0.5 * 0.4 + 0.1) = tanh(2.3) = 0.9800964,  1 - H_1^2 = 0.0394111
    # H_2 = tanh(1 + 0.5 * H_1 + 0.1) = tanh(1.5900482) = 0.9201567,  1 - H_2^2 = 0.1533116
    # p_1 = 1 / (1 + e^(-3 H_1)) = 0.9498025, wanted 1;  p_2 = 1 / (1 + e^(-3 H_2)) = 0.9405019, wanted 0
    # dy_1 = (p_1 - 1) / 2 = -0.0250987,  dy_2 = p_2 / 2 = 0.4702510;  the other logit has the opposite sign
    # dA_2 = 3 dy_2 * 0.1533116 = 0.2162848,  dA_1 = (3 dy_1 + 0.5 dA_2) * 0.0394111 = 0.0012945
    assert loss.asscalar() == pytest.approx((0.0515012 + 2.8218117) / 2, rel=1e-4)
    dW_xh, dW_hh, db_h, dW_hy, db_y = (gradient.asnumpy() for gradient in gradients)
    assert dW_xh == pytest.approx(np.array([[0.2162848], [0.0012945]]), rel=1e-4)  # X_2 is character 0
    assert dW_hh == pytest.approx(0.4 * 0.0012945 + 0.9800964 * 0.2162848, rel=1e-4)
    assert db_h == pytest.approx(0.0012945 + 0.2162848, rel=1e-4)
    dw_hy = 0.9800964 * -0.0250987 + 0.9201567 * 0.4702510
    assert dW_hy == pytest.approx(np.array([[dw_hy, -dw_hy]]), rel=1e-4)
    assert db_y == pytest.approx([-0.0250987 + 0.4702510, 0.0250987 - 0.4702510], rel=1e-4)


def test_the_lags_of_one_unit_are_as_worked_by_hand(subject):
    # of the last step alone: dH_2 = 3 * 0.9405019, and dH_1 = dH_2 * (1 - H_2^2) * 0.5
    expected = [2.8215058, 2.8215058 * 0.1533116 * 0.5]

    assert subject.grad_norms_by_lag(*one_unit()) == pytest.approx(expected, rel=1e-4)


def test_gradients_are_those_of_autograd(subject):
    loss, gradients = subject.bptt(*case())
    expected_loss, expected = autograd_of(*case())

    assert loss.shape == expected_loss.shape
    assert loss.asscalar() == pytest.approx(expected_loss.asscalar(), rel=1e-4)
    for gradient, grad in zip(gradients, expected):
        np.testing.assert_allclose(gradient.asnumpy(), grad, rtol=1e-4)


def test_gradients_are_those_of_autograd_in_float32(subject):
    _, gradients = subject.bptt(*case("float32"))
    _, expected = autograd_of(*case("float32"))

    assert all(gradient.dtype == np.float32 for gradient in gradients)
    for gradient, grad in zip(gradients, expected):  # 1e-6 is what is left where numbers near 1 cancel out
        np.testing.assert_allclose(gradient.asnumpy(), grad, rtol=1e-4, atol=1e-6)


def test_gradients_are_the_slopes_of_the_loss(subject):
    arrays = numbers(*case())

    _, gradients = subject.bptt(*case())

    for gradient, param in zip(gradients, arrays[3]):
        slope = slopes(lambda: loss_in_numpy(*arrays)[0], param)
        np.testing.assert_allclose(gradient.asnumpy(), slope, rtol=1e-4, atol=1e-9)


def test_gradients_have_the_names_and_shapes_of_the_parameters(subject):
    inputs, label, state, params = case()

    _, gradients = subject.bptt(inputs, label, state, params)

    assert gradients._fields == params._fields
    assert [g.shape for g in gradients] == [param.shape for param in params]


def test_a_step_alone_is_a_multilayer_perceptron(subject):
    inputs, label, state, params = case()

    _, gradients = subject.bptt(inputs[:1], label[:, :1], state, params)
    _, expected = autograd_of(inputs[:1], label[:, :1], state, params)

    for gradient, grad in zip(gradients, expected):
        np.testing.assert_allclose(gradient.asnumpy(), grad, rtol=1e-4)


def test_twice_the_same_rows_have_the_same_mean(subject):
    inputs, label, (H,), params = case()
    doubled = (
        [nd.concat(X, X, dim=0) for X in inputs],
        nd.concat(label, label, dim=0),
        (nd.concat(H, H, dim=0),),
    )

    loss, gradients = subject.bptt(inputs, label, (H,), params)
    loss_again, gradients_again = subject.bptt(*doubled, params)

    assert loss_again.asscalar() == pytest.approx(loss.asscalar(), rel=1e-4)
    for gradient, again in zip(gradients, gradients_again):
        np.testing.assert_allclose(again.asnumpy(), gradient.asnumpy(), rtol=1e-4)


def test_going_back_changes_neither_arguments_nor_their_gradients(subject):
    inputs, label, state, params = case()
    for param in params:
        param.attach_grad()
        param.grad[:] = 7
    before = [array.asnumpy() for array in (*inputs, label, *state, *params)]

    subject.bptt(inputs, label, state, params)
    subject.grad_norms_by_lag(inputs, label, state, params)

    assert all(np.array_equal(a.asnumpy(), b) for a, b in zip((*inputs, label, *state, *params), before))
    assert all((param.grad == 7).asnumpy().all() for param in params)


def test_gradients_by_hand_can_be_clipped_like_any_others(subject):
    inputs, label, state, params = case()
    _, gradients = subject.bptt(inputs, label, state, params)
    for param, gradient in zip(params, gradients):
        param.attach_grad()
        param.grad[:] = gradient

    norm = grad_clipping(params, 1e-2)

    assert norm == pytest.approx(np.sqrt(sum((g.asnumpy() ** 2).sum() for g in gradients)), rel=1e-4)


def test_the_norm_at_a_lag_is_that_of_the_slopes_of_the_last_loss(subject):
    inputs, label, state, params = case()
    X, y, H, numpy_params = numbers(inputs, label, state, params)
    _, states = loss_in_numpy(X, y, H, numpy_params)

    norms = subject.grad_norms_by_lag(inputs, label, state, params)

    assert len(norms) == NUM_STEPS
    for lag in range(1, NUM_STEPS):  # go on from H_{T-lag}, and count the last step only

        def last_loss(H=states[NUM_STEPS - lag], first=NUM_STEPS - lag):
            _, later = loss_in_numpy(X[first:], y[:, first:], H, numpy_params)
            return loss_in_numpy(X[-1:], y[:, -1:], later[-2], numpy_params)[0]

        slope = slopes(last_loss, states[NUM_STEPS - lag])
        assert norms[lag] == pytest.approx(np.linalg.norm(slope), rel=1e-4)


def test_no_lag_is_longer_than_the_largest_singular_value_allows(subject):
    inputs, label, state, params = case()
    largest = np.linalg.norm(params.W_hh.asnumpy(), 2)

    norms = subject.grad_norms_by_lag(inputs, label, state, params)

    assert all(isinstance(norm, float) for norm in norms)
    assert all(after <= largest * before * (1 + 1e-6) for before, after in zip(norms, norms[1:]))


def test_without_recurrent_weights_nothing_goes_back(subject):
    inputs, label, state, params = case()

    norms = subject.grad_norms_by_lag(inputs, label, state, params._replace(W_hh=nd.zeros_like(params.W_hh)))

    assert norms[0] > 0 and norms[1:] == [0] * (NUM_STEPS - 1)


@pytest.mark.parametrize("name", ["bptt", "grad_norms_by_lag"])
def test_no_inputs_and_a_label_that_does_not_fit_are_refused(subject, name):
    function, (inputs, label, *rest) = getattr(subject, name), case()

    with pytest.raises(ValueError, match="inputs"):
        function([], label, *rest)
    with pytest.raises(ValueError, match=r"label.*\(6, 3\).*\(3, 6\)"):
        function(inputs, label.T, *rest)
    with pytest.raises(IndexError, match=f" {VOCAB_SIZE}"):
        function(inputs, nd.ones_like(label) * VOCAB_SIZE, *rest)
