"""Lesson 14: counts worked by hand, the same targets as a network's, when to stop, and what dropout drops."""

import math
from functools import partial
from importlib import import_module

import d2lrnn

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, nd

CPU = mx.cpu()
RNNParams = import_module("d2lrnn.rnn").RNNParams
ABAC = [0, 1, 0, 2]  # a b a c, of a vocabulary of four: d never occurs


def random_indices(length, vocab_size, seed=0):
    return np.random.default_rng(seed).integers(vocab_size, size=length).tolist()


def constant_network(probabilities):
    """Parameters of an rnn that says the same whatever it reads."""
    V = len(probabilities)
    return RNNParams(
        nd.zeros((V, 2)), nd.zeros((2, 2)), nd.zeros(2), nd.zeros((2, V)), nd.array(np.log(probabilities))
    )


def table_network(table):
    """Parameters of an rnn that looks the last character up in a table: row c is P( . | c)."""
    V = len(table)
    return RNNParams(
        20 * nd.eye(V), nd.zeros((V, V)), nd.zeros(V), nd.array(np.log(table)), nd.zeros(V)
    )  # tanh(20) is 1


def test_order_zero_is_a_blind_guess(subject):
    model = subject.CountModel(ABAC, 4, 0)

    assert [model.probability(char, [0]) for char in range(4)] == [0.25] * 4
    assert subject.evaluate_counts(model, ABAC) == pytest.approx(4)


def test_the_unigram_adds_one_to_every_count(subject):
    model = subject.CountModel(ABAC, 4, 1)

    assert [model.probability(char, [1]) for char in range(4)] == pytest.approx([3 / 8, 2 / 8, 2 / 8, 1 / 8])


def test_the_bigram_is_as_worked_by_hand(subject):
    model = subject.CountModel(ABAC, 4, 2, discount=0.6)

    # after a (twice): b once, c once, and 2 * 0.6 of 2 is shared out as 3/8, 2/8, 2/8, 1/8
    shared = 2 * 0.6 / 2
    wanted = [shared * 3 / 8, 0.4 / 2 + shared * 2 / 8, 0.4 / 2 + shared * 2 / 8, shared / 8]
    assert [model.probability(char, [0]) for char in range(4)] == pytest.approx(wanted)
    # after b (once): a; and 0.6 is shared out
    assert model.probability(0, [1]) == pytest.approx(0.4 + 0.6 * 3 / 8)
    # after c and d nothing has been seen: the unigram
    assert model.probability(0, [2]) == model.probability(0, [3]) == model.probability(0) == 3 / 8


def test_the_trigram_stands_on_the_bigram(subject):
    bigram, trigram = (subject.CountModel(ABAC, 4, order) for order in (2, 3))

    assert trigram.probability(2, [1, 0]) == pytest.approx(0.25 + 0.75 * bigram.probability(2, [0]))
    assert trigram.probability(2, [3, 0]) == bigram.probability(2, [0])
    assert trigram.probability(2, [0]) == bigram.probability(2, [0])


@given(
    indices=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    order=st.integers(0, 4),
    context=st.lists(st.integers(0, 5), max_size=5),
)
def test_probabilities_are_positive_and_sum_to_one(subject, indices, order, context):
    model = subject.CountModel(indices, 6, order)

    probabilities = [model.probability(char, context) for char in range(6)]

    assert min(probabilities) > 0
    assert sum(probabilities) == pytest.approx(1)


def test_only_the_end_of_a_long_context_counts(subject):
    model = subject.CountModel(random_indices(60, 3), 3, 3)

    assert model.probability(1, [0, 2, 2, 1]) == model.probability(1, [2, 1])


def test_the_measured_text_does_not_change_the_counts(subject):
    model = subject.CountModel(ABAC, 4, 3)

    first = subject.evaluate_counts(model, [3, 3, 1, 2, 3])

    assert subject.evaluate_counts(model, [3, 3, 1, 2, 3]) == first
    assert model.probability(0, [2]) == 3 / 8


def test_perplexity_is_the_exponential_of_the_mean(subject):
    model = subject.CountModel(ABAC, 4, 1)

    # the first character is no target: P(a) P(d) P(b)
    assert subject.evaluate_counts(model, [2, 0, 3, 1]) == pytest.approx((8 / 3 * 8 * 4) ** (1 / 3))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_it_measures_the_targets_on_which_evaluate_measures_a_network(subject, batch_size):
    train, heldout = random_indices(80, 5), random_indices(47, 5, seed=1)
    unigram, bigram = (subject.CountModel(train, 5, order) for order in (1, 2))
    table = [[bigram.probability(char, [last]) for char in range(5)] for last in range(5)]

    for model, params in (
        (unigram, constant_network([unigram.probability(char) for char in range(5)])),
        (bigram, table_network(table)),
    ):
        network = d2lrnn.evaluate(d2lrnn.rnn, params, d2lrnn.init_rnn_state, heldout, batch_size, 4, CPU)
        assert subject.evaluate_counts(model, heldout, batch_size) == pytest.approx(network, rel=1e-4)


def test_no_row_looks_back_into_another(subject):
    model = subject.CountModel([0, 1] * 20, 2, 3)

    # rows 0 1 and 0 1: each asks once for P(1 | 0), and nobody for P(0 | 1) in between
    assert subject.evaluate_counts(model, [0, 1, 0, 1], 2) == pytest.approx(1 / model.probability(1, [0]))


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((ABAC, 4, -1), {}, "order.*-1"),
        ((ABAC, 4, True), {}, "order.*True"),
        ((ABAC, 4, 2), {"discount": 0}, "discount.*0"),
        ((ABAC, 4, 2), {"discount": 1}, "discount.*1"),
        (([], 4, 2), {}, r"\(0,\)"),
        ((ABAC, 0, 2), {}, "vocab_size.*0"),
    ],
)
def test_models_that_cannot_be_are_refused(subject, arguments, options, named):
    with pytest.raises(ValueError, match=named):
        subject.CountModel(*arguments, **options)


def test_characters_outside_the_vocabulary_and_too_few_are_refused(subject):
    model = subject.CountModel(ABAC, 4, 2)

    with pytest.raises(IndexError, match=" 4"):
        subject.evaluate_counts(model, [0, 4])
    with pytest.raises(ValueError, match=r"1 .* 2"):
        subject.evaluate_counts(model, [0])


@pytest.mark.parametrize(
    ("perplexities", "epoch"),
    [([9, 5, 7], 2), ([5, 5, 5], 1), ([math.nan, 7, 6], 3), ([8, math.nan, math.inf], 1), ([math.inf], 1)],
)
def test_the_best_epoch_is_the_first_of_the_lowest_and_counted_from_one(subject, perplexities, epoch):
    assert subject.best_epoch(perplexities) == epoch


@pytest.mark.parametrize("perplexities", [[], [math.nan]])
def test_without_a_number_no_epoch_is_best(subject, perplexities):
    with pytest.raises(ValueError, match="no epoch"):
        subject.best_epoch(perplexities)


@pytest.mark.parametrize(
    ("perplexities", "patience", "stop"),
    [
        ([], 1, False),
        ([9], 1, False),
        ([9, 10], 1, True),
        ([9, 10], 2, False),
        ([9, 10, 8, 9], 2, False),
        ([9, 10, 8, 9, 9], 2, True),
        ([9, 9, 9], 2, True),
        ([9, 8, 7, 6], 1, False),
        ([9, math.nan, math.nan], 2, True),
        ([math.nan, math.nan], 2, True),
        ([math.nan], 2, False),
    ],
)
def test_training_stops_when_patience_epochs_have_not_been_better(subject, perplexities, patience, stop):
    assert subject.should_stop(perplexities, patience) is stop


def test_patience_of_no_epoch_is_refused(subject):
    with pytest.raises(ValueError, match=r"patience.*0"):
        subject.should_stop([1.0], 0)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_in_training_a_share_of_p_is_dropped_and_the_rest_grows_so_that_the_mean_stays(subject, p):
    mx.random.seed(0)

    with autograd.record():
        Y = subject.dropout(3 * nd.ones((200, 200)), p).asnumpy()

    assert (Y == 0).mean() == pytest.approx(p, abs=0.02)
    assert np.unique(Y) == pytest.approx([0, 3 / (1 - p)])
    assert Y.mean() == pytest.approx(3, rel=0.05)


def test_outside_training_and_with_p_zero_nothing_changes(subject):
    X = nd.array([[1.0, -2.0], [0.0, 4.0]])

    measured = subject.dropout(X, 0.5)
    with autograd.record(train_mode=False):
        predicted = subject.dropout(X, 0.5)
    with autograd.record():
        all_kept = subject.dropout(X, 0)

    for Y in (measured, predicted, all_kept):
        np.testing.assert_array_equal(Y.asnumpy(), X.asnumpy())


def test_the_gradient_passes_where_the_number_passed(subject):
    X = nd.ones((50, 50))
    X.attach_grad()

    with autograd.record():
        Y = subject.dropout(X, 0.4)
    Y.backward()

    np.testing.assert_allclose(X.grad.asnumpy(), Y.asnumpy(), rtol=1e-6)


def test_a_seed_repeats_the_mask_and_two_calls_draw_two(subject):
    def masks():
        mx.random.seed(3)
        with autograd.record():
            return [subject.dropout(nd.ones((9, 9)), 0.5).asnumpy() for _ in range(2)]

    (first, second), (again, _) = masks(), masks()

    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


@pytest.mark.parametrize("p", [1, 1.5, -0.1, math.nan, True, "0.5"])
def test_a_probability_that_would_make_nan_is_refused(subject, p):
    with pytest.raises(ValueError, match=f"p .*{p}"):
        subject.dropout(nd.ones((2, 2)), p)


def network_and_inputs(batch_size=3, num_steps=6, hidden_dim=40):
    mx.random.seed(0)
    params = d2lrnn.get_params(7, hidden_dim, CPU, scale=0.5)
    data = nd.array(np.random.default_rng(0).integers(7, size=(batch_size, num_steps)), CPU, "int32")
    return d2lrnn.get_inputs(data, 7), d2lrnn.init_rnn_state(batch_size, hidden_dim, CPU), params


def test_without_training_rnn_dropout_is_rnn(subject):
    inputs, state, params = network_and_inputs()

    outputs, (H,) = subject.rnn_dropout(inputs, state, params, 0.5)

    wanted, (wanted_H,) = d2lrnn.rnn(inputs, state, params)
    np.testing.assert_allclose(
        nd.stack(*outputs).asnumpy(), nd.stack(*wanted).asnumpy(), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(H.asnumpy(), wanted_H.asnumpy(), rtol=1e-4, atol=1e-6)


def test_in_training_the_outputs_change_and_the_way_from_state_to_state_is_spared(subject):
    inputs, state, params = network_and_inputs()
    silent = params._replace(W_xh=nd.zeros_like(params.W_xh))  # nothing from below, so only H and W_hh
    state = (nd.ones_like(state[0]),)

    with autograd.record():
        outputs, (H,) = subject.rnn_dropout(inputs, state, silent, 0.5)

    wanted, (wanted_H,) = d2lrnn.rnn(inputs, state, silent)
    np.testing.assert_allclose(H.asnumpy(), wanted_H.asnumpy(), rtol=1e-4, atol=1e-6)
    assert all(abs((Y - Z).asnumpy()).max() > 1e-3 for Y, Z in zip(outputs, wanted))


def test_in_training_what_comes_from_below_is_dropped_too(subject):
    inputs, state, params = network_and_inputs()

    with autograd.record():
        _, (H,) = subject.rnn_dropout(inputs[:1], state, params, 0.5)

    A = nd.dot(inputs[0], params.W_xh)
    either = np.stack([np.zeros(A.shape), np.tanh(2 * A.asnumpy())])
    assert abs(H.asnumpy() - either).min(axis=0).max() < 1e-5
    assert (H.asnumpy() == 0).mean() == pytest.approx(0.5, abs=0.15)


def test_it_trains_with_the_loop_of_lesson_9_and_is_measured_without_dropping(subject):
    _, _, params = network_and_inputs()
    batches = list(d2lrnn.data_iter_random(random_indices(60, 7), 4, 5, CPU, rng=0))
    function = partial(subject.rnn_dropout, p=0.3)

    d2lrnn.train_epoch(
        function,
        params,
        d2lrnn.init_rnn_state,
        batches,
        d2lrnn.Optimizer("sgd", params, 0.1),
        1.0,
        is_random_iter=True,
    )
    dropping, plain = (
        d2lrnn.evaluate(rnn, params, d2lrnn.init_rnn_state, random_indices(40, 7, 2), 2, 5, CPU)
        for rnn in (function, d2lrnn.rnn)
    )

    assert dropping == pytest.approx(plain, rel=1e-4)
