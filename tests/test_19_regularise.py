"""Lesson 19: tied networks are ordinary ones, masks lie where they should, and mixtures are the likeliest."""

import itertools
import math
from collections import namedtuple
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
V, N, BATCH_SIZE, NUM_STEPS = 7, 5, 3, 4
LSTMParams = import_module("d2lrnn.lstm").LSTMParams
NAMES = ("W_e", *LSTMParams._fields[:-2], "b_y")


def random_indices(length, vocab_size=V, seed=0):
    return np.random.default_rng(seed).integers(vocab_size, size=length)


def tied_params(subject, vocab_size=V, hidden_dim=N, scale=0.5):
    mx.random.seed(0)
    params = subject.get_tied_params(vocab_size, hidden_dim, CPU, scale=scale)
    for name, param in params._asdict().items():
        if name.startswith("b"):
            param[:] = nd.random.normal(scale=scale, shape=param.shape)
    return params


def one_hots(batch_size=BATCH_SIZE, num_steps=NUM_STEPS, vocab_size=V):
    data = nd.array(random_indices(batch_size * num_steps, vocab_size), CPU, "int32")
    return d2lrnn.get_inputs(data.reshape((batch_size, num_steps)), vocab_size)


def random_state(batch_size=BATCH_SIZE, hidden_dim=N):
    return tuple(nd.random.normal(scale=0.5, shape=(batch_size, hidden_dim)) for _ in range(2))


def by_numpy(inputs, state, params, masks=(1, 1, 1, 1, 1, 1, 1)):
    """Y and (H, C) in float64. masks: of W_e, X, W_hi, W_hf, W_ho, W_hc and H, the survivors grown."""
    of_rows, of_X, *of_gates, of_H = masks
    P = {name: param.asnumpy().astype(float) for name, param in params._asdict().items()}
    (H, C), Y = (S.asnumpy().astype(float) for S in state), []

    def sigmoid(A):
        return 1 / (1 + np.exp(-A))

    for X in inputs:
        E = X.asnumpy() @ (P["W_e"] * of_rows) * of_X
        A = {
            gate: E @ P[f"W_x{gate}"] + H @ (P[f"W_h{gate}"] * mask) + P[f"b_{gate}"]
            for gate, mask in zip("ifoc", of_gates)
        }
        C = sigmoid(A["f"]) * C + sigmoid(A["i"]) * np.tanh(A["c"])
        H = sigmoid(A["o"]) * np.tanh(C)
        Y.append(H * of_H @ P["W_e"].T + P["b_y"])
    return np.concatenate(Y), (H, C)


def assert_near(found, wanted):
    found, wanted = (A.asnumpy() if isinstance(A, nd.NDArray) else A for A in (found, wanted))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


# --- the network ---


def test_new_parameters_have_one_matrix_for_reading_and_writing(subject):
    mx.random.seed(3)
    params = subject.get_tied_params(40, 30, CPU, scale=0.2)

    assert params._fields == NAMES
    for name, param in params._asdict().items():
        rows = {"W_e": (40,), "b_y": (40,)}.get(name, (30,) if name.startswith(("W_x", "W_h")) else ())
        assert param.shape == (rows if name == "b_y" else (*rows, 30))
        assert param.grad is not None
        wanted = 0 if name.startswith("b") else 0.2
        assert param.asnumpy().std() == pytest.approx(wanted, rel=0.15)


def test_given_a_text_the_output_bias_begins_as_its_unigram(subject):
    text = [0, 1, 0, 2]
    unigram = d2lrnn.CountModel(text, 4, 1)

    params = subject.get_tied_params(4, 3, CPU, indices=text)

    assert_near(params.b_y.exp(), np.array([unigram.probability(char) for char in range(4)]))
    with pytest.raises(IndexError, match="4"):
        subject.get_tied_params(4, 3, CPU, indices=[4])


def test_its_outputs_and_state_are_those_of_the_formulas(subject):
    params, inputs, state = tied_params(subject), one_hots(), random_state()

    (Y,), new_state = subject.tied_lstm(inputs, state, params)

    wanted, wanted_state = by_numpy(inputs, state, params)
    assert_near(Y, wanted)
    for S, wanted_S in zip(new_state, wanted_state):
        assert_near(S, wanted_S)


def test_with_a_matrix_of_its_own_it_writes_with_that(subject):
    params, inputs, state = tied_params(subject), one_hots(), random_state()
    W_hy = nd.random.normal(shape=(N, V))

    (Y,), _ = subject.tied_lstm(inputs, state, params, W_hy=W_hy)

    plain = d2lrnn.lstm(inputs, state, subject.untie(params)._replace(W_hy=W_hy))[0]
    assert_near(Y, nd.concat(*plain, dim=0))


def test_the_gradient_of_the_embeddings_comes_from_reading_and_from_writing(subject):
    params, inputs, state = tied_params(subject), one_hots(), random_state()
    label = nd.array(random_indices(BATCH_SIZE * NUM_STEPS, seed=1), CPU, "int32")

    with autograd.record():
        (Y,), _ = subject.tied_lstm(inputs, state, params)
        loss = d2lrnn.cross_entropy(Y, label)
    loss.backward()

    for name in ("W_e", "W_xf", "W_hc", "b_y"):
        param = getattr(params, name)
        place = (1, 2) if param.ndim == 2 else (1,)
        nats = []
        for step in (0.01, -0.02):
            param[place] = param[place] + step
            (Y,), _ = subject.tied_lstm(inputs, state, params)
            nats.append(d2lrnn.cross_entropy(Y, label).asscalar())
        assert param.grad[place].asscalar() == pytest.approx((nats[0] - nats[1]) / 0.02, rel=0.02, abs=1e-4)


def test_untied_it_is_the_ordinary_network_that_computes_the_same(subject):
    params, inputs, state = tied_params(subject), one_hots(), random_state()

    ordinary = subject.untie(params)

    assert ordinary._fields == LSTMParams._fields
    outputs, new_state = d2lrnn.lstm(inputs, state, ordinary)
    (Y,), wanted_state = subject.tied_lstm(inputs, state, params)
    assert_near(nd.concat(*outputs, dim=0), Y)
    for S, wanted_S in zip(new_state, wanted_state):
        assert_near(S, wanted_S)


def test_of_two_layers_only_the_first_reads_the_embeddings(subject):
    names = ["W_e", "W_xh", "W_hh", "b_h", "W_xh_2", "W_hh_2", "b_h_2", "b_y"]
    shapes = [(V, N), (N, N), (N, N), (N,), (N, N), (N, N), (N,), (V,)]
    params = namedtuple("Tied", names)(*[nd.random.normal(shape=shape) for shape in shapes])

    ordinary = subject.untie(params)

    assert ordinary._fields == (*names[1:-1], "W_hy", "b_y")
    assert_near(ordinary.W_xh, nd.dot(params.W_e, params.W_xh))
    assert_near(ordinary.W_hy, params.W_e.T)
    for name in names[2:]:
        assert_near(getattr(ordinary, name), getattr(params, name))


def test_the_untied_arrays_are_its_own(subject):
    params = tied_params(subject)
    ordinary = subject.untie(params)
    before = [param.copy() for param in ordinary]

    for param in params:
        param[:] = 9

    for param, wanted in zip(ordinary, before):
        assert_near(param, wanted)


# --- what is dropped ---


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_embedding_dropout_drops_whole_characters(subject, p):
    mx.random.seed(0)
    W_e = nd.random.uniform(1, 2, shape=(3000, 4))

    with autograd.record():
        dropped = subject.embedding_dropout(W_e, p).asnumpy()

    kept = dropped[:, 0] != 0
    assert 1 - kept.mean() == pytest.approx(p, abs=0.05)
    np.testing.assert_allclose(dropped[kept], W_e.asnumpy()[kept] / (1 - p), rtol=1e-5)
    assert (dropped[~kept] == 0).all()


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_locked_dropout_drops_the_same_places_in_all_steps_and_others_in_each_row(subject, p):
    mx.random.seed(0)
    X = nd.random.uniform(1, 2, shape=(3, 50, 60))

    with autograd.record():
        dropped = subject.locked_dropout(X, p).asnumpy()

    kept = dropped[0] != 0
    assert 1 - kept.mean() == pytest.approx(p, abs=0.05)
    assert len(np.unique(kept, axis=0)) == 50
    np.testing.assert_allclose(dropped, np.where(kept, X.asnumpy() / (1 - p), 0), rtol=1e-5)


@pytest.mark.parametrize("name", ["embedding_dropout", "locked_dropout"])
def test_outside_training_nothing_is_dropped_and_p_1_is_refused(subject, name):
    X = nd.random.normal(shape=(4, 5) if name.startswith("e") else (2, 4, 5))
    drop = getattr(subject, name)

    with autograd.record(train_mode=False):
        predicted = drop(X, 0.5)
    with autograd.record():
        all_kept = drop(X, 0.0)

    for Y in (drop(X, 0.5), predicted, all_kept):
        np.testing.assert_array_equal(Y.asnumpy(), X.asnumpy())
    with pytest.raises(ValueError, match=r"p .*1\.0"):
        drop(X, 1.0)
    with pytest.raises(TypeError, match="int32"):
        drop(nd.ones(X.shape, dtype="int32"), 0.5)


def all_masks(shape):
    """Every mask for p = 0.5, kept numbers doubled."""
    for bits in itertools.product((0, 2), repeat=math.prod(shape)):
        yield np.array(bits).reshape(shape)


@pytest.mark.parametrize(
    ("option", "place", "shape", "share"),
    [
        ("p_embedding", [0], (3, 1), 0.5),
        ("p_in", [1], (2, 1), 0.5),
        ("p_weights", [2, 3, 4, 5], (4,), 0.5),
        ("p_out", [6], (2, 1), 0.5),
    ],
)
def test_in_training_one_mask_holds_for_all_steps_and_each_is_drawn(subject, option, place, shape, share):
    """One unit, so that all possible outputs can be computed: the network gives one of them, later others."""
    params, inputs, state = tied_params(subject, 3, 1, 1), one_hots(2, 5, 3), random_state(2, 1)
    possible = {}
    for mask in all_masks(shape):
        masks = [1] * 7
        for k, part in zip(place, mask if len(place) > 1 else [mask]):
            masks[k] = part
        possible[tuple(mask.reshape(-1))] = by_numpy(inputs, state, params, masks)[0]

    found = []
    for seed in range(40):
        mx.random.seed(seed)
        with autograd.record():
            (Y,), _ = subject.tied_lstm(inputs, state, params, **{option: share})
        off = {mask: abs(Y.asnumpy() - wanted).max() for mask, wanted in possible.items()}
        found.append(min(off, key=off.get))
        assert off[found[-1]] < 1e-4

    assert len(set(found)) > len(possible) / 2
    assert np.mean(found) == pytest.approx(1, abs=0.35)
    (Y,), _ = subject.tied_lstm(inputs, state, params, **{option: share})
    assert_near(Y, by_numpy(inputs, state, params)[0])


# --- batches ---


@given(row_len=st.integers(1, 400), num_steps=st.integers(1, 40), seed=st.integers(0, 9))
def test_lengths_give_every_target_of_a_row_its_turn(subject, row_len, num_steps, seed):
    lengths = subject.variable_lengths(row_len, num_steps, np.random.default_rng(seed))

    assert sum(lengths) == row_len - 1
    assert min(lengths[:-1], default=5) >= 5
    assert not lengths or lengths[-1] >= 1
    assert lengths == subject.variable_lengths(row_len, num_steps, np.random.default_rng(seed))


def test_one_length_in_twenty_is_about_half(subject):
    lengths = np.array(subject.variable_lengths(200_000, 60, np.random.default_rng(0)))

    halved, whole = lengths[lengths < 45], lengths[lengths >= 45]
    assert len(halved) / len(lengths) == pytest.approx(0.05, abs=0.015)
    assert (halved.mean(), whole.mean()) == (pytest.approx(30, abs=2), pytest.approx(60, abs=0.5))
    assert (halved.std(), whole.std()) == (pytest.approx(5, abs=1.5), pytest.approx(5, abs=0.5))
    assert np.mean(abs(whole - 60) > 10) == pytest.approx(0.036, abs=0.012)  # normal, not uniform


def test_equal_lengths_give_the_consecutive_batches_of_lesson_2(subject):
    corpus = random_indices(100)

    batches = list(subject.data_iter_variable(corpus, [6, 6, 6, 6], 4, CPU))

    wanted = list(d2lrnn.data_iter_consecutive(corpus, 4, 6, CPU))
    assert len(batches) == len(wanted) == 4
    for batch, wanted_batch in zip(batches, wanted):
        for array, wanted_array in zip(batch, wanted_batch):
            np.testing.assert_array_equal(array.asnumpy(), wanted_array.asnumpy())
            assert array.dtype == np.int32


@given(num_chars=st.integers(12, 60), offset=st.integers(0, 12), seed=st.integers(0, 3))
def test_rows_go_on_from_batch_to_batch_and_round_the_end_of_the_text(subject, num_chars, offset, seed):
    lengths = subject.variable_lengths(num_chars // 3, 5, np.random.default_rng(seed))
    corpus = np.arange(num_chars)

    batches = list(subject.data_iter_variable(corpus, lengths, 3, CPU, offset=offset))

    assert [data.shape for data, _ in batches] == [(3, length) for length in lengths]
    data, label = (np.concatenate([pair[k].asnumpy() for pair in batches], axis=1) for k in (0, 1))
    assert data.shape == (3, num_chars // 3 - 1)
    np.testing.assert_array_equal(label, (data + 1) % num_chars)
    np.testing.assert_array_equal(data[:, 0], (offset + num_chars // 3 * np.arange(3)) % num_chars)


def test_more_steps_than_a_row_has_are_refused(subject):
    with pytest.raises(ValueError, match=r"25 .* 25 "):
        next(subject.data_iter_variable(random_indices(100), [20, 5], 4, CPU))
    with pytest.raises(ValueError, match=r"batch_size.*0"):
        next(subject.data_iter_variable(random_indices(100), [20], 0, CPU))


def test_the_learning_rate_follows_the_schedule_and_the_length(subject):
    optimizer = d2lrnn.Optimizer("sgd", [], 1.0)
    schedule = {"schedule": "cosine", "warmup": 2, "num_updates": 5}
    lengths, found = [10, 5, 20, 10, 15], []
    batches = [(nd.zeros((2, length)), nd.ones((2, length))) for length in lengths]

    for batch in subject.scheduled_batches(batches, optimizer, 0.1, num_steps=10, **schedule):
        assert batch is not None and batch[0] is batches[len(found)][0]
        found.append(optimizer.lr)
        optimizer.t += 1

    rates = [d2lrnn.learning_rate(t, 0.1, **schedule) for t in range(1, 6)]
    assert found == pytest.approx([rate * n / 10 for rate, n in zip(rates, lengths)])


@pytest.mark.slow
def test_it_trains_with_the_loop_of_lesson_9(subject):
    mx.random.seed(0)
    rng, corpus, num_epochs = np.random.default_rng(0), np.tile(np.arange(V), 30), 12
    params = subject.get_tied_params(V, 16, CPU, scale=0.1, indices=corpus)
    optimizer = d2lrnn.Optimizer("adam", params, 0.01, weight_decay=0.01)
    drops = {"p_embedding": 0.1, "p_in": 0.2, "p_weights": 0.2, "p_out": 0.2}
    lengths = [subject.variable_lengths(len(corpus) // 5, 10, rng) for _ in range(num_epochs)]
    schedule = {"schedule": "cosine", "warmup": 5, "num_updates": sum(map(len, lengths))}
    history = []
    for each in lengths:
        batches = subject.data_iter_variable(corpus, each, 5, CPU, offset=int(rng.integers(len(corpus))))
        batches = subject.scheduled_batches(batches, optimizer, 0.03, num_steps=10, **schedule)
        cell = partial(subject.tied_lstm, **drops)
        how = params, d2lrnn.init_lstm_state, batches, optimizer, 1.0
        history.append(d2lrnn.train_epoch(cell, *how, is_random_iter=False))

    measured = d2lrnn.evaluate(d2lrnn.lstm, subject.untie(params), d2lrnn.init_lstm_state, corpus, 2, 10, CPU)
    assert history[0] > 5 and measured < min(2.0, min(history))


# --- mixtures ---


def test_a_mixture_is_the_weighted_sum_and_by_default_the_mean(subject):
    p, q = [0.1, 0.4], [0.3, 0.2]

    assert subject.interpolate([p, q], [0.75, 0.25]) == pytest.approx([0.15, 0.35])
    assert subject.interpolate([p, q]) == pytest.approx([0.2, 0.3])
    assert subject.interpolate([np.array([p, q]), np.array([q, p])]) == pytest.approx(
        np.array([[0.2, 0.3]] * 2)
    )


@pytest.mark.parametrize("weights", [[0.5], [0.7, 0.7], [1.5, -0.5], [[0.5, 0.5]]])
def test_weights_that_are_no_mixture_are_refused(subject, weights):
    with pytest.raises(ValueError, match=r"weights.*2"):
        subject.interpolate([[0.1], [0.2]], weights)


@pytest.mark.parametrize(
    "probabilities", [[], [[0.1], [0.1, 0.2]], [[], []], [[0.0], [0.0]], [[math.nan], [0.1]]]
)
def test_what_is_not_of_the_same_targets_or_gives_one_no_chance_is_refused(subject, probabilities):
    for function in (subject.interpolate, subject.mixture_weights):
        with pytest.raises(ValueError, match="probabilities"):
            function(probabilities)


@given(seed=st.integers(0, 50), num_targets=st.integers(1, 40))
def test_the_weights_of_two_are_the_best_on_a_fine_grid(subject, seed, num_targets):
    P = np.random.default_rng(seed).uniform(0.01, 1, size=(2, num_targets))

    weights = subject.mixture_weights(P)

    assert weights.sum() == pytest.approx(1)
    best = max(np.log(w * P[0] + (1 - w) * P[1]).sum() for w in np.linspace(0, 1, 1001))
    assert np.log(weights @ P).sum() >= best - 1e-3


def test_each_of_three_gets_the_share_of_what_it_alone_knows(subject):
    knows = np.repeat(np.eye(3), [5, 3, 2], axis=1)  # model k alone gives its targets any probability

    assert subject.mixture_weights(knows) == pytest.approx([0.5, 0.3, 0.2])
    assert subject.mixture_weights([[0.3, 0.9]]) == pytest.approx([1])
    assert subject.mixture_weights([[0.2, 0.2], [0.2, 0.2]]) == pytest.approx([0.5, 0.5])
