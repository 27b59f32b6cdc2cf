"""Lesson 5: cross-entropy against numbers worked by hand, numpy, slopes and Gluon; perplexity at its ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, gluon, nd

UNSURE = [[0.0, math.log(3)], [math.log(4), 0.0]]  # probabilities 1/4, 3/4 and 4/5, 1/5


def random_case(num_chars=12, vocab_size=7, dtype="float32"):
    rng = np.random.default_rng(0)
    logits = nd.array(rng.normal(scale=3, size=(num_chars, vocab_size)), dtype=dtype)
    return logits, nd.array(rng.integers(vocab_size, size=num_chars), dtype="int32")


def test_the_loss_is_the_mean_of_minus_log_probability(subject):
    loss = subject.cross_entropy(nd.array(UNSURE), nd.array([0, 1], dtype="int32"))

    assert loss.size == 1
    assert loss.asscalar() == pytest.approx((math.log(4) + math.log(5)) / 2, rel=1e-4)  # 1.497866 nats


def test_a_blind_guess_costs_the_logarithm_of_the_vocabulary(subject):
    loss = subject.cross_entropy(nd.zeros((6, 1027)), nd.arange(6, dtype="int32"))

    assert loss.asscalar() == pytest.approx(math.log(1027), rel=1e-4)


def test_it_agrees_with_numpy_in_double_precision(subject):
    logits, label = random_case(dtype="float64")
    probs = np.exp(logits.asnumpy())
    probs /= probs.sum(axis=1, keepdims=True)

    loss = subject.cross_entropy(logits, label).asscalar()

    assert loss == pytest.approx(-np.log(probs[np.arange(12), label.asnumpy()]).mean(), rel=1e-9)


def test_it_agrees_with_gluon(subject):
    logits, label = random_case()

    theirs = gluon.loss.SoftmaxCrossEntropyLoss()(logits, label).mean().asscalar()

    assert subject.cross_entropy(logits, label).asscalar() == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize(("label", "nats"), [(0, 0), (1, 10000), (2, 20000)])
def test_logits_too_large_for_exp_give_a_finite_loss_and_gradient(subject, label, nats):
    logits = nd.array([[10000.0, 0.0, -10000.0]])
    logits.attach_grad()

    with autograd.record():
        loss = subject.cross_entropy(logits, nd.array([label], dtype="int32"))
    loss.backward()

    assert loss.asscalar() == pytest.approx(nats, rel=1e-4, abs=1e-5)  # log_softmax is 1.4e-6 off 0
    assert logits.grad.asnumpy()[0] == pytest.approx(np.eye(3)[0] - np.eye(3)[label], rel=1e-4, abs=1e-5)


def test_the_gradient_is_softmax_minus_one_hot_a_character(subject):
    logits, label = random_case()
    logits.attach_grad()

    with autograd.record():
        loss = subject.cross_entropy(logits, label)
    loss.backward()

    probs = np.exp(logits.asnumpy().astype("float64"))
    wanted = (probs / probs.sum(axis=1, keepdims=True) - np.eye(7)[label.asnumpy()]) / 12
    np.testing.assert_allclose(logits.grad.asnumpy(), wanted, rtol=1e-4, atol=1e-7)


@given(order=st.permutations(range(12)), shift=st.integers(-50, 50))
def test_neither_the_order_of_characters_nor_a_constant_in_all_logits_matters(subject, order, shift):
    logits, label = random_case(dtype="float64")
    order = nd.array(order, dtype="int32")

    moved = subject.cross_entropy(nd.take(logits, order) + shift, nd.take(label, order))

    assert moved.asscalar() == pytest.approx(subject.cross_entropy(logits, label).asscalar(), rel=1e-6)


def test_the_logits_are_not_changed(subject):
    logits, label = random_case()
    before = logits.asnumpy()

    subject.cross_entropy(logits, label)

    assert np.array_equal(logits.asnumpy(), before)


@pytest.mark.parametrize("wrong", [2, -1, 2**31 - 1, 0.5, math.nan])
def test_a_label_outside_the_vocabulary_is_refused(subject, wrong):
    label = nd.array([0, wrong], dtype="int32" if isinstance(wrong, int) else "float32")

    with pytest.raises(IndexError, match=f" {wrong}"):
        subject.cross_entropy(nd.array(UNSURE), label)


@pytest.mark.parametrize(
    ("logits_shape", "label_shape"),
    [((6, 5), (5,)), ((6, 5), (1,)), ((6, 5), (6, 1)), ((6, 5), (2, 3)), ((2, 3, 5), (2, 3)), ((6,), (6,))],
)
def test_shapes_that_do_not_fit_are_refused(subject, logits_shape, label_shape):
    with pytest.raises(ValueError, match=r"logits.*\d.*label.*\d"):
        subject.cross_entropy(nd.zeros(logits_shape), nd.zeros(label_shape, dtype="int32"))


def test_logits_of_integers_are_refused(subject):
    with pytest.raises(TypeError, match=r"logits.*int32"):
        subject.cross_entropy(nd.zeros((2, 5), dtype="int32"), nd.zeros(2, dtype="int32"))


def test_perplexity_counts_the_choices_of_a_blind_guess(subject):
    assert subject.perplexity(0.0) == 1
    assert subject.perplexity(math.log(1027)) == pytest.approx(1027)
    assert subject.perplexity((math.log(4) + math.log(5)) / 2) == pytest.approx(math.sqrt(20))


@pytest.mark.parametrize("nats", [710, 1e300, math.inf])
def test_the_worst_perplexity_is_infinity_and_no_error(subject, nats):
    assert subject.perplexity(nats) == math.inf


def test_perplexity_of_no_number_is_no_number(subject):
    assert math.isnan(subject.perplexity(math.nan))


@given(a=st.floats(0, 300), b=st.floats(0, 300))
def test_perplexity_of_a_mean_is_the_geometric_mean_of_perplexities(subject, a, b):
    mean = subject.perplexity((a + b) / 2)

    assert mean == pytest.approx(math.sqrt(subject.perplexity(a)) * math.sqrt(subject.perplexity(b)))
