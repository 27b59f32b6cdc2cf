"""Lesson 6: clipping shortens all gradients together, by hand on 3-4-5 and by its laws on any others."""

import math

import numpy as np
import pytest
from cell_oracles import with_gradient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mxnet import autograd, gluon, nd

GRADIENTS = st.lists(
    arrays("float32", st.tuples(st.integers(1, 3), st.integers(1, 3)), elements=st.floats(-99, 99, width=32)),
    min_size=1,
    max_size=4,
)


def with_gradients(*gradients):
    """Parameters of ones that have these gradients."""
    return [with_gradient(1, gradient) for gradient in gradients]


def norm_of(params):
    numbers = np.concatenate([param.grad.asnumpy().ravel() for param in params])
    return np.linalg.norm(numbers.astype("float64"))


def test_the_norm_is_that_of_all_gradients_laid_end_to_end(subject):
    params = with_gradients([3.0], [[0.0, 4.0], [0.0, 0.0]], [12.0, 0.0, 0.0])  # 9 + 16 + 144 = 13 * 13

    norm = subject.grad_clipping(params, 6.5)

    assert norm == pytest.approx(13, rel=1e-4)
    assert params[0].grad.asnumpy() == pytest.approx(1.5, rel=1e-4)
    assert params[1].grad.asnumpy() == pytest.approx(np.array([[0, 2], [0, 0]]), rel=1e-4)
    assert params[2].grad.asnumpy() == pytest.approx([6, 0, 0], rel=1e-4)


def test_the_norm_is_a_float_as_it_was_before(subject):
    norm = subject.grad_clipping(with_gradients([3.0, 4.0]), 1.0)

    assert isinstance(norm, float) and norm == pytest.approx(5, rel=1e-4)


@pytest.mark.parametrize("theta", [5, 5.1, 1e6])
def test_gradients_no_longer_than_theta_are_not_touched(subject, theta):
    params = with_gradients([3.0], [4.0])

    assert subject.grad_clipping(params, theta) == 5
    assert [param.grad.asscalar() for param in params] == [3, 4]


def test_parameters_themselves_are_not_touched(subject):
    params = with_gradients([3.0, 4.0], [[12.0]])

    subject.grad_clipping(params, 1.0)

    assert all((param == 1).asnumpy().all() for param in params)


def test_gradients_of_zero_stay_zero(subject):
    params = with_gradients([0.0, 0.0], [[0.0]])

    assert subject.grad_clipping(params, 1.0) == 0
    assert all(not param.grad.asnumpy().any() for param in params)


@given(gradients=GRADIENTS, theta=st.floats(1e-3, 1e3))
def test_the_direction_is_kept_and_the_length_is_at_most_theta(subject, gradients, theta):
    params = with_gradients(*gradients)
    before = norm_of(params)

    norm = subject.grad_clipping(params, theta)

    assert norm == pytest.approx(before, rel=1e-4)
    assert norm_of(params) == pytest.approx(min(before, theta), rel=1e-4)
    scale = min(1, theta / before) if before else 1
    for param, gradient in zip(params, gradients):
        np.testing.assert_allclose(param.grad.asnumpy(), gradient * scale, rtol=1e-4, atol=1e-30)


@given(gradients=GRADIENTS)
def test_clipping_twice_is_clipping_once(subject, gradients):
    params = with_gradients(*gradients)
    subject.grad_clipping(params, 1.0)
    once = [param.grad.asnumpy() for param in params]

    subject.grad_clipping(params, 1.0)

    for param, gradient in zip(params, once):
        np.testing.assert_allclose(param.grad.asnumpy(), gradient, rtol=1e-4, atol=1e-30)


def test_it_agrees_with_gluon(subject):
    gradients = [np.random.default_rng(0).normal(size=shape) for shape in ((4, 5), (5,), (5, 3))]
    params, theirs = with_gradients(*gradients), [nd.array(gradient) for gradient in gradients]

    norm = subject.grad_clipping(params, 0.7)

    assert norm == pytest.approx(gluon.utils.clip_global_norm(theirs, 0.7), rel=1e-4)
    for param, gradient in zip(params, theirs):
        np.testing.assert_allclose(param.grad.asnumpy(), gradient.asnumpy(), rtol=1e-4)


@pytest.mark.parametrize("size", [1e20, 1e30, 1e-25])
def test_the_squares_of_gradients_may_be_too_large_or_too_small_for_float32(subject, size):
    params = with_gradients([3 * size], [4 * size])

    norm = subject.grad_clipping(params, size)

    assert norm / size == pytest.approx(5, rel=1e-4)
    assert [param.grad.asscalar() / size for param in params] == pytest.approx([0.6, 0.8], rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_no_number_is_refused_and_none_is_changed(subject, bad):
    params = with_gradients([3.0, 4.0], [bad, 12.0])

    with pytest.raises(FloatingPointError, match=r"norm.* (nan|inf)"):
        subject.grad_clipping(params, 1.0)

    assert params[0].grad.asnumpy().tolist() == [3, 4]
    np.testing.assert_array_equal(params[1].grad.asnumpy(), np.array([bad, 12], dtype="float32"))


def test_a_parameter_without_a_gradient_is_refused_and_none_is_changed(subject):
    params = [*with_gradients([3.0, 4.0]), nd.ones(2)]

    with pytest.raises(ValueError, match="parameter 1"):
        subject.grad_clipping(params, 1.0)

    assert params[0].grad.asnumpy().tolist() == [3, 4]


def test_a_generator_that_has_been_read_to_its_end_is_refused(subject):
    params = (param for param in with_gradients([3.0, 4.0]))
    list(params)

    with pytest.raises(ValueError, match="no parameters"):
        subject.grad_clipping(params, 1.0)


@pytest.mark.parametrize("theta", [0, -1, 0.0, math.nan, math.inf, None])
def test_a_threshold_that_is_not_above_zero_is_refused(subject, theta):
    with pytest.raises(ValueError, match=f"theta.*{theta}"):
        subject.grad_clipping(with_gradients([3.0, 4.0]), theta)


def test_a_gradient_from_backward_is_shortened_where_the_parameter_keeps_it(subject):
    W = nd.array([[1.0, 2.0], [3.0, 4.0]])
    W.attach_grad()
    with autograd.record():
        loss = (W * nd.array([[0.0, 30.0], [40.0, 0.0]])).sum()
    loss.backward()

    assert subject.grad_clipping([W], 10.0) == pytest.approx(50, rel=1e-4)
    assert W.grad.asnumpy() == pytest.approx(np.array([[0, 6], [8, 0]]), rel=1e-4)
