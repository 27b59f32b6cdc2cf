"""Lesson 9: a batch is measured, clipped and stepped as the formulas say, an epoch counts every character."""

import re

import d2lrnn
from d2lrnn import Optimizer, Vocab, cross_entropy, get_inputs, get_params, init_rnn_state, rnn

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd

VOCAB_SIZE, HIDDEN_DIM, CPU = 5, 4, mx.cpu()
STAND_STILL = 1e-30  # a learning rate that changes no float32
HUGE = 1e9  # a theta that clips nothing
TOY = Vocab("abcd")


def new_params(seed=1, scale=0.5):
    mx.random.seed(seed)
    return get_params(VOCAB_SIZE, HIDDEN_DIM, CPU, scale=scale)


def new_batches(*shapes):
    """A pair (data, label) of random characters for every shape; the label is not the shifted data."""
    rng = np.random.default_rng(2)
    return [tuple(nd.array(rng.integers(VOCAB_SIZE, size=(2, *s)), dtype="int32", ctx=CPU)) for s in shapes]


def numbers(arrays):
    return [array.asnumpy() for array in arrays]


def equal(these, those, **tolerance):
    assert len(these) == len(those)
    for this, other in zip(these, those):
        np.testing.assert_allclose(this, other, **tolerance)


def steps(subject, params, batches, *, lr=0.1, theta=HUGE, network=rnn, is_random_iter=True, **options):
    """train_batches with plain gradient descent."""
    optimizer = Optimizer("sgd", params, lr)
    return subject.train_batches(
        network, params, init_rnn_state, batches, optimizer, theta, is_random_iter=is_random_iter, **options
    )


def spy(states):
    """rnn, noting each state that it starts from."""

    def spied(inputs, state, params):
        states.append(state[0].asnumpy())
        return rnn(inputs, state, params)

    return spied


def one_step_by_hand(params, data, label, H, lr, theta):
    """The mean nats of one batch and the parameters after one clipped step, character by character."""
    with autograd.record():
        outputs, _ = rnn(get_inputs(data, VOCAB_SIZE), (H,), params)
        nats = 0
        for t, Y in enumerate(outputs):
            for row in range(len(label)):
                nats = nats - nd.log_softmax(Y[row])[int(label[row, t].asscalar())] / label.size
    nats.backward()
    gradients = [param.grad.asnumpy().astype(np.float64) for param in params]
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    moved = [param.asnumpy() - lr * min(1, theta / norm) * g for param, g in zip(params, gradients)]
    return nats.asscalar(), moved


# --- train_batches --------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [0.01, HUGE])
def test_one_batch_moves_the_parameters_as_worked_by_hand(subject, theta):
    params = new_params()
    ((data, label),) = new_batches((2, 3))
    nats_by_hand, moved = one_step_by_hand(params, data, label, nd.zeros((2, HIDDEN_DIM)), 0.5, theta)

    ((nats, num_chars, _),) = steps(subject, params, [(data, label)], lr=0.5, theta=theta)

    assert nats == pytest.approx(nats_by_hand, rel=1e-4)
    assert num_chars == 6
    equal(numbers(params), moved, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("theta", [0.02, 0.2])
def test_no_step_is_longer_than_lr_times_theta(subject, theta):
    params = new_params()
    before = numbers(params)

    next(steps(subject, params, new_batches((2, 3)), lr=1, theta=theta))

    moved = [new - old for new, old in zip(numbers(params), before)]
    assert np.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(theta, rel=1e-3)  # float32 differences


def test_random_batches_each_start_from_a_state_of_zeros(subject):
    params, states = new_params(), []

    list(steps(subject, params, new_batches((2, 3), (2, 3), (2, 2)), network=spy(states)))

    assert len(states) == 3
    assert not any(H.any() for H in states)


def test_consecutive_batches_carry_the_state_on(subject):
    params, states = new_params(), []
    batches = new_batches((2, 3), (2, 3), (2, 1))

    yielded = [
        state[0].asnumpy()
        for _, _, state in steps(subject, params, batches, network=spy(states), is_random_iter=False)
    ]

    assert not states[0].any() and all(H.any() for H in yielded)
    equal(states[1:], yielded[:-1], rtol=0)


@pytest.mark.parametrize("is_random_iter", [False, True])
def test_only_consecutive_batches_start_from_the_state_given(subject, is_random_iter):
    states, given_state = [], (nd.ones((2, HIDDEN_DIM)),)

    next(
        steps(
            subject, new_params(), new_batches((2, 3)), network=spy(states), is_random_iter=is_random_iter,
            state=given_state,
        )
    )  # fmt: skip

    assert states[0].mean() == (0 if is_random_iter else 1)


def test_no_gradient_flows_into_the_state_that_was_carried_on(subject):
    params = new_params()
    ((data, label),) = new_batches((2, 3))
    with autograd.record():
        H = nd.dot(nd.ones((2, HIDDEN_DIM)), params.W_hh)
    _, moved = one_step_by_hand(params, data, label, nd.array(H.asnumpy()), 0.5, HUGE)

    next(steps(subject, params, [(data, label)], lr=0.5, is_random_iter=False, state=(H,)))

    equal(numbers(params), moved, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("spoilt", "error", "named"),
    [
        (lambda Y, params: Y * float("nan"), FloatingPointError, "loss.*nan"),
        (lambda Y, params: Y * 1e6, FloatingPointError, "loss"),  # finite, its exponential is not
        (lambda Y, params: Y + nd.sqrt(params.b_y * 0), FloatingPointError, "norm.*nan"),
        (lambda Y, params: nd.dot(nd.ones((2, HIDDEN_DIM)), params.W_hy), ValueError, "W_xh"),
    ],
    ids=["nan", "huge", "infinitely steep", "reads nothing"],
)
def test_a_batch_that_cannot_be_learnt_from_leaves_the_parameters_alone(subject, spoilt, error, named):
    params, calls = new_params(), []

    def spoilt_at_the_second_call(inputs, state, params):
        calls.append(1)
        outputs, state = rnn(inputs, state, params)
        return [spoilt(Y, params) for Y in outputs] if len(calls) == 2 else outputs, state

    training = steps(subject, params, new_batches((2, 3), (2, 3)), network=spoilt_at_the_second_call)
    next(training)
    after_the_first = numbers(params)

    with pytest.raises(error, match=named):
        next(training)

    equal(numbers(params), after_the_first, rtol=0)


# --- train_epoch ----------------------------------------------------------------------------------


def test_perplexity_counts_every_character_alike(subject):
    params, batches = new_params(scale=2), new_batches((4, 6), (1, 1), (2, 3))
    nats = [
        one_step_by_hand(params, *batch, nd.zeros((len(batch[0]), HIDDEN_DIM)), 0, 1)[0] for batch in batches
    ]

    found = subject.train_epoch(
        rnn, params, init_rnn_state, batches, Optimizer("sgd", params, STAND_STILL), 1, is_random_iter=True
    )

    assert found == pytest.approx(np.exp(np.average(nats, weights=[24, 1, 6])), rel=1e-4)


def test_an_epoch_carries_the_state_on_if_batches_are_consecutive(subject):
    params, states = new_params(), []

    subject.train_epoch(
        spy(states), params, init_rnn_state, new_batches((2, 3), (2, 3)), Optimizer("adam", params, 0.01), 1,
        is_random_iter=False,
    )  # fmt: skip

    assert [H.any() for H in states] == [False, True]


# --- evaluate -------------------------------------------------------------------------------------


def straight_through(params, rows):
    """The perplexity of rows of characters, each read from its start to its end in one go."""
    inputs = get_inputs(nd.array(rows[:, :-1], ctx=CPU), VOCAB_SIZE)
    outputs, _ = rnn(inputs, init_rnn_state(len(rows), HIDDEN_DIM, CPU), params)
    label = nd.array(rows[:, 1:].T.reshape(-1), ctx=CPU)
    return np.exp(cross_entropy(nd.concat(*outputs, dim=0), label).asscalar())


@settings(max_examples=25)
@given(num_chars=st.integers(2, 25), batch_size=st.integers(1, 5), num_steps=st.integers(1, 9))
def test_evaluate_reads_each_row_to_its_end_however_it_is_cut(subject, num_chars, batch_size, num_steps):
    params = new_params(scale=2)
    indices = np.random.default_rng(num_chars).integers(VOCAB_SIZE, size=num_chars)
    batch_size_that_fits = min(batch_size, num_chars // 2)
    row_len = num_chars // batch_size_that_fits
    rows = indices[: batch_size_that_fits * row_len].reshape(batch_size_that_fits, row_len)

    found = subject.evaluate(rnn, params, init_rnn_state, indices, batch_size, num_steps)

    assert found == pytest.approx(straight_through(params, rows), rel=1e-4)


def test_evaluate_leaves_the_parameters_alone(subject):
    params = new_params()
    before = numbers(params)

    subject.evaluate(rnn, params, init_rnn_state, [0, 1, 2, 3, 4], 1, 2)

    equal(numbers(params), before, rtol=0)
    assert not any(param.grad.asnumpy().any() for param in params)


@pytest.mark.parametrize(
    ("indices", "batch_size", "num_steps", "error", "named"),
    [
        ([], 1, 1, ValueError, r"\(0,\)"),
        ([3], 1, 1, ValueError, "1 .* 2"),
        ([0, 1, 2], 0, 1, ValueError, "batch_size.*0"),
        ([0, 1, 2], 1, 0, ValueError, "num_steps.*0"),
        *[([0, 1, bad], 1, 1, IndexError, f" {bad}") for bad in (VOCAB_SIZE, -1, 0.5)],
    ],
    ids=str,
)
def test_evaluate_refuses_what_it_cannot_measure(subject, indices, batch_size, num_steps, error, named):
    with pytest.raises(error, match=named):
        subject.evaluate(rnn, new_params(), init_rnn_state, indices, batch_size, num_steps)


# --- train_and_predict_rnn ------------------------------------------------------------------------


def toy(subject, text="abcd" * 10, *, cell=("rnn", "get_params", "init_rnn_state"), network=None, **options):
    """The whole loop, on a text of four letters."""
    function, get, init = (getattr(d2lrnn, name) for name in cell)
    options = {
        "num_epochs": 3, "num_steps": 4, "batch_size": 2, "lr": 0.02, "clipping_theta": 1.0,
        "optimizer": "adam", "prefixes": (), "ctx": CPU, **options,
    }  # fmt: skip
    return subject.train_and_predict_rnn(network or function, get, init, 8, TOY, TOY.encode(text), **options)


@pytest.mark.parametrize("is_random_iter", [True, False])
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(subject, is_random_iter):
    first, again, other = (toy(subject, seed=seed, is_random_iter=is_random_iter) for seed in (0, 0, 1))

    assert first == again
    assert first != other


def test_there_is_one_perplexity_an_epoch_and_the_first_is_a_blind_guess(subject):
    perplexities = toy(subject, num_epochs=5, lr=1e-9)

    assert perplexities == pytest.approx([4] * 5, rel=1e-2)  # of four letters, with weights near zero


def test_one_optimizer_serves_all_epochs(subject):
    perplexities = toy(subject, is_random_iter=False)

    mx.random.seed(0)
    params, corpus = d2lrnn.get_params(4, 8, CPU), TOY.encode("abcd" * 10)
    optimizer = d2lrnn.Optimizer("adam", params, 0.02)
    for found in perplexities:
        batches = d2lrnn.data_iter_consecutive(corpus, 2, 4, CPU)
        training = d2lrnn.rnn, params, d2lrnn.init_rnn_state, batches, optimizer, 1.0
        assert found == pytest.approx(d2lrnn.train_epoch(*training, is_random_iter=False), rel=1e-4)


def test_every_epoch_shuffles_its_windows_anew(subject):
    read = []

    def reader(inputs, state, params):
        read.append([X.argmax(axis=1).asnumpy().astype(int).tolist() for X in inputs])
        return rnn(inputs, state, params)

    toy(subject, "abcdbdacddbacabdcbdab" * 3, num_epochs=2, network=reader)

    assert len(read) == 2 * 7
    assert read[:7] != read[7:]


@pytest.mark.parametrize("is_random_iter", [True, False])
def test_the_sampler_is_the_one_asked_for(subject, is_random_iter):
    states = []

    toy(subject, num_epochs=1, is_random_iter=is_random_iter, network=spy(states))

    assert any(H.any() for H in states) != is_random_iter


def test_it_prints_as_the_tutorial_does(subject, capsys):
    toy(subject, num_epochs=5, pred_period=2, pred_len=6, prefixes=("ab", "d"))

    report = r"epoch {}, perplexity \d+\.\d{{6}}, time \d+\.\d\d sec\n - ab[abcd]{{6}}\n - d[abcd]{{6}}\n"
    assert re.fullmatch(report.format(2) + report.format(4), capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"prefixes": ("ab", "ax")}, "'x'"), ({"prefixes": ("ab", "")}, "prefix"), ({"pred_len": -1}, "-1")],
    ids=str,
)
def test_what_cannot_be_written_is_refused_before_training(subject, options, named):
    def never(*_):
        pytest.fail("trained all the same")

    with pytest.raises(ValueError, match=named):
        toy(subject, network=never, **{"prefixes": ("ab",), **options})


@pytest.mark.parametrize(
    ("name", "bad"),
    [("num_epochs", 0), ("pred_period", 0), ("seed", -1), ("lr", 0), ("optimizer", "rmsprop"),
     ("clipping_theta", 0), ("batch_size", 0), ("num_steps", 0)],
)  # fmt: skip
def test_a_bad_setting_is_refused_by_name(subject, name, bad):
    with pytest.raises(ValueError, match=f"{name.removeprefix('clipping_')}.*{bad}"):
        toy(subject, **{name: bad})


def test_a_corpus_that_fills_no_batch_is_refused(subject):
    with pytest.raises(ValueError, match=r"^8 .*2 x 4"):
        toy(subject, "abcdabcd")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "is_random_iter"),
    [
        (("rnn", "get_params", "init_rnn_state"), True),
        (("rnn", "get_params", "init_rnn_state"), False),
        (("gru", "get_gru_params", "init_gru_state"), False),
        (("lstm", "get_lstm_params", "init_lstm_state"), True),
    ],
    ids=["rnn random", "rnn consecutive", "gru", "lstm"],
)
def test_a_toy_text_is_learnt_and_written_on(subject, capsys, cell, is_random_iter):
    settings = {
        "num_epochs": 40,
        "num_steps": 8,
        "batch_size": 4,
        "lr": 0.05,
        "pred_period": 40,
        "pred_len": 8,
    }

    perplexities = toy(
        subject, "abcd" * 40, cell=cell, is_random_iter=is_random_iter, prefixes=("ab",), **settings
    )

    assert perplexities[-1] < 1.2 < 3 < perplexities[0]
    assert " - abcdabcdab\n" in capsys.readouterr().out
