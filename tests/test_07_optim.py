"""Lesson 7: sgd and Adam move the parameters by the numbers of the papers, and move them in place."""

from d2lrnn import init_adam_states

import numpy as np
import pytest
from cell_oracles import with_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd

GRADIENTS = st.floats(0.01, 100).flatmap(lambda size: st.sampled_from([size, -size]))
NOT_POSITIVE = [0, -0.1, float("nan"), float("inf"), True, "0.1", None]


def adam_in_float64(theta, gradients, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma & Ba 2015, algorithm 1, line by line; gradients: one for every t."""
    m = v = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        theta = theta - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return theta


def test_sgd_goes_against_the_gradient_by_lr_times_its_length(subject):
    params = with_gradient([1, 2], [10, -20]), with_gradient([[3]], [[5]])

    subject.sgd(params, 0.1)

    np.testing.assert_allclose(params[0].asnumpy(), [0, 4], atol=1e-6)
    np.testing.assert_allclose(params[1].asnumpy(), [[2.5]])


def test_adam_takes_the_two_steps_worked_by_hand(subject):
    param = with_gradient([1], [2])
    states = subject.init_adam_states([param])

    subject.adam([param], states, 0.1, 1)  # m_hat = 2, v_hat = 4: 0.1 * 2 / 2
    assert param.asscalar() == pytest.approx(0.9)

    param.grad[:] = -1
    subject.adam([param], states, 0.1, 2)  # m_hat = 0.08 / 0.19, v_hat = 0.004996 / 0.001999
    assert param.asscalar() == pytest.approx(0.9 - 0.1 * 0.421053 / 1.580902)
    assert [S.asscalar() for S in states[0]] == pytest.approx([0.08, 0.004996])


def test_adam_adds_eps_to_the_corrected_root(subject):
    param = with_gradient([0], [3])

    subject.adam([param], init_adam_states([param]), 1, 1, eps=1)

    assert param.asscalar() == pytest.approx(-3 / (3 + 1))  # inside the root: -3 / sqrt(10)


@given(size=GRADIENTS)
def test_the_first_step_of_adam_is_lr_long_whatever_the_size_of_the_gradient(subject, size):
    param = with_gradient([0], [size])

    subject.adam([param], init_adam_states([param]), 0.01, 1)

    assert param.asscalar() == pytest.approx(-0.01 * np.sign(size))


@settings(max_examples=40)
@given(
    gradients=st.lists(st.tuples(GRADIENTS, GRADIENTS, GRADIENTS), min_size=1, max_size=6),
    lr=st.floats(0.001, 1),
    beta1=st.floats(0, 0.95, allow_subnormal=False),  # which MXNet cannot read
    beta2=st.floats(0.5, 0.999),
)
def test_adam_follows_algorithm_1(subject, gradients, lr, beta1, beta2):
    params = with_gradient([1, 2], [0, 0]), with_gradient([[3]], [[0]])
    states = subject.init_adam_states(params)

    for t, (a, b, c) in enumerate(gradients, start=1):
        params[0].grad[:] = nd.array([a, b])
        params[1].grad[:] = c
        subject.adam(params, states, lr, t, beta1=beta1, beta2=beta2)

    found = np.concatenate([param.asnumpy().ravel() for param in params])
    expected = adam_in_float64(np.array([1.0, 2, 3]), np.array(gradients), lr, beta1, beta2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * lr)


def test_adam_leaves_a_parameter_without_slope_where_it_is(subject):
    param = with_gradient([7], [0])

    subject.adam([param], init_adam_states([param]), 0.1, 1)

    assert param.asscalar() == 7


def test_adam_starts_from_means_of_zero_and_of_the_shape_of_each_parameter(subject):
    states = subject.init_adam_states([nd.ones((2, 3)), nd.ones(4)])

    assert [(m.shape, v.shape) for m, v in states] == [((2, 3), (2, 3)), ((4,), (4,))]
    assert all(S.abs().sum().asscalar() == 0 for state in states for S in state)
    assert states[0][0] is not states[0][1]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_array_itself_moves_and_can_be_differentiated_again(subject, name):
    W = with_gradient([3], [1])
    optimizer = subject.Optimizer(name, [W], 0.5)

    optimizer.step([W])
    assert W.asscalar() == pytest.approx(2.5)

    with autograd.record():
        loss = W * W
    loss.backward()
    assert W.grad.asscalar() == pytest.approx(5)


def test_the_optimizer_sgd_takes_the_steps_of_sgd(subject):
    param = with_gradient([1], [2])
    optimizer = subject.Optimizer("sgd", [param], 0.25)

    for _ in range(3):
        optimizer.step([param])

    assert param.asscalar() == pytest.approx(1 - 3 * 0.25 * 2)


def test_the_optimizer_adam_counts_its_steps(subject):
    param, gradients = with_gradient([1], [0]), [2.0, -1.0, 0.5, 4.0]
    optimizer = subject.Optimizer("adam", [param], 0.1)

    for g in gradients:
        param.grad[:] = g
        optimizer.step([param])

    assert param.asscalar() == pytest.approx(adam_in_float64(1.0, gradients, 0.1), rel=1e-4)
    assert optimizer.t == 4


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_parameter_without_a_gradient_is_refused_before_any_other_has_moved(subject, name):
    params = [with_gradient([1], [1]), nd.ones(1)]
    optimizer = subject.Optimizer(name, params, 0.1)

    with pytest.raises(ValueError, match="parameter 1"):
        optimizer.step(params)

    assert params[0].asscalar() == 1


def test_as_many_states_as_parameters_are_asked_for(subject):
    params = [with_gradient([1], [1]), with_gradient([1], [1])]

    with pytest.raises(ValueError, match=r"1.*2"):
        subject.adam(params, init_adam_states(params[:1]), 0.1, 1)


@pytest.mark.parametrize("lr", NOT_POSITIVE)
def test_a_learning_rate_that_is_no_number_above_0_is_refused(subject, lr):
    param = with_gradient([1], [1])

    for call in (
        lambda: subject.sgd([param], lr),
        lambda: subject.adam([param], init_adam_states([param]), lr, 1),
        lambda: subject.Optimizer("sgd", [param], lr),
    ):
        with pytest.raises(ValueError, match=f"lr.*{lr}"):
            call()


@pytest.mark.parametrize("t", [0, -1, 1.5, True])
def test_adam_counts_its_steps_from_1(subject, t):
    param = with_gradient([1], [1])

    with pytest.raises(ValueError, match=f"t .*{t}"):
        subject.adam([param], init_adam_states([param]), 0.1, t)


@pytest.mark.parametrize("name", ["rmsprop", "Adam", "", None])
def test_an_unknown_optimizer_is_refused_by_name(subject, name):
    with pytest.raises(ValueError, match=f"optimizer.*{name}"):
        subject.Optimizer(name, [nd.ones(1)], 0.1)
