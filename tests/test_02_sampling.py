"""Lesson 2: minibatches miss nothing, repeat nothing, and their labels are the next characters."""

import tracemalloc
from collections import Counter

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import nd

SIZES = [(1, 1), (1, 4), (2, 3), (3, 2)]  # batch_size, num_steps


@pytest.fixture(scope="module", params=["data_iter_random", "data_iter_consecutive"])
def sampler(subject, request):
    return getattr(subject, request.param)


@st.composite
def cases(draw):
    """(num_chars, batch_size, num_steps, offset), enough for at least one batch of either sampler."""
    batch_size, num_steps, offset = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(0, 40))
    return offset + batch_size * (num_steps + 1) + draw(st.integers(0, 60)), batch_size, num_steps, offset


def numbers(batches):
    """(data, label) of all batches in numpy, each (num_batches, batch_size, num_steps)."""
    pairs = list(batches)
    assert pairs, "the sampler yields no batch"
    data, label = zip(*pairs)
    return np.stack([X.asnumpy() for X in data]), np.stack([Y.asnumpy() for Y in label])


# Both samplers


@given(case=cases(), seed=st.integers(0, 99))
def test_labels_are_the_next_characters(sampler, case, seed):
    num_chars, batch_size, num_steps, offset = case
    corpus = np.random.default_rng(seed).permutation(num_chars)  # no character twice: a label has one place
    next_char = dict(zip(corpus[:-1].tolist(), corpus[1:].tolist()))

    data, label = numbers(sampler(corpus, batch_size, num_steps, rng=seed, offset=offset))

    assert [next_char[char] for char in data.ravel().tolist()] == label.ravel().tolist()
    assert (data[..., 1:] == label[..., :-1]).all()


@given(case=cases())
def test_batches_are_int32_of_shape_batch_size_by_num_steps(sampler, case):
    num_chars, batch_size, num_steps, offset = case

    batches = sampler(range(num_chars), batch_size, num_steps, offset=offset)

    assert {(array.shape, array.dtype) for pair in batches for array in pair} == {
        ((batch_size, num_steps), np.int32)
    }


@given(case=cases())
def test_an_offset_is_the_same_as_a_corpus_that_starts_there(sampler, case):
    num_chars, batch_size, num_steps, offset = case

    shifted = numbers(sampler(range(num_chars), batch_size, num_steps, rng=0, offset=offset))
    cut = numbers(sampler(range(offset, num_chars), batch_size, num_steps, rng=0))

    np.testing.assert_array_equal(shifted, cut)


@pytest.mark.parametrize(
    "corpus", [list(range(30)), np.arange(30.0), nd.arange(30)], ids=["list", "floats", "NDArray"]
)
def test_a_corpus_may_be_any_list_of_whole_numbers(sampler, corpus):
    expected = numbers(sampler(range(30), 2, 3, rng=0))

    np.testing.assert_array_equal(numbers(sampler(corpus, 2, 3, rng=0)), expected)


@pytest.mark.parametrize("index", [2**24 + 1, 2**31 - 1])
def test_indices_that_float32_cannot_hold_stay_exact(sampler, index):
    data, label = numbers(sampler([index] * 30, 2, 3))

    assert set(data.ravel().tolist()) == set(label.ravel().tolist()) == {index}


def test_a_batch_is_on_the_context_asked_for(sampler):
    assert {array.context for pair in sampler(range(30), 2, 3, mx.cpu(1)) for array in pair} == {mx.cpu(1)}


def test_a_batch_without_a_context_is_on_the_fastest(subject, sampler):
    assert {array.context for pair in sampler(range(30), 2, 3) for array in pair} == {subject.try_gpu()}


def test_try_gpu_is_the_cpu_where_there_is_no_gpu(subject):
    ctx = subject.try_gpu()

    assert ctx == (mx.gpu(0) if mx.context.num_gpus() else mx.cpu(0))
    assert nd.ones(3, ctx=ctx).sum().asscalar() == 3


# Consecutive


def test_consecutive_batches_are_those_the_tutorial_prints(subject):
    data, label = numbers(subject.data_iter_consecutive(range(30), batch_size=2, num_steps=3))

    assert data.tolist() == [
        [[0, 1, 2], [15, 16, 17]],
        [[3, 4, 5], [18, 19, 20]],
        [[6, 7, 8], [21, 22, 23]],
        [[9, 10, 11], [24, 25, 26]],
    ]
    assert label.tolist() == [
        [[1, 2, 3], [16, 17, 18]],
        [[4, 5, 6], [19, 20, 21]],
        [[7, 8, 9], [22, 23, 24]],
        [[10, 11, 12], [25, 26, 27]],
    ]


@given(case=cases())
def test_each_row_goes_on_where_the_batch_before_ended_up_to_the_last_full_batch(subject, case):
    num_chars, batch_size, num_steps, offset = case
    row_len = (num_chars - offset) // batch_size

    data, _ = numbers(subject.data_iter_consecutive(range(num_chars), batch_size, num_steps, offset=offset))

    assert len(data) == (row_len - 1) // num_steps
    for r in range(batch_size):
        start = offset + r * row_len
        assert data[:, r].ravel().tolist() == list(range(start, start + len(data) * num_steps))


# Random


def test_random_windows_of_the_tutorial_start_at_multiples_of_three(subject):
    data, label = numbers(subject.data_iter_random(range(30), batch_size=2, num_steps=3))
    starts = data[:, :, 0].ravel().tolist()

    assert data.shape == (4, 2, 3)
    assert len(set(starts)) == 8 and set(starts) < set(range(0, 27, 3))  # one of nine windows finds no batch
    assert (data == data[:, :, :1] + [0, 1, 2]).all() and (label == data + 1).all()


@given(case=cases(), seed=st.integers(0, 99))
def test_each_window_is_drawn_once_up_to_the_last_full_batch(subject, case, seed):
    num_chars, batch_size, num_steps, offset = case
    all_starts = range(offset, num_chars - num_steps, num_steps)

    data, _ = numbers(
        subject.data_iter_random(range(num_chars), batch_size, num_steps, rng=seed, offset=offset)
    )
    starts = data[:, :, 0].ravel().tolist()

    assert len(data) == len(all_starts) // batch_size
    assert len(set(starts)) == len(starts) and set(starts) <= set(all_starts)
    assert (data == data[:, :, :1] + np.arange(num_steps)).all()


def test_every_order_of_the_windows_is_equally_likely(subject):
    num_seeds = 1200
    orders = Counter()
    for seed in range(num_seeds):
        ((data, _),) = subject.data_iter_random(range(7), 3, 2, rng=seed)
        orders[tuple(data.asnumpy()[:, 0])] += 1

    expected = num_seeds / 6  # 3 windows have 3! orders
    chi_square = sum((count - expected) ** 2 / expected for count in orders.values())
    assert len(orders) == 6
    assert chi_square < 20.5  # 5 degrees of freedom: exceeded by one fair shuffle in a thousand


def test_the_same_rng_gives_the_same_batches_and_no_rng_others(subject):
    def order(rng):
        return numbers(subject.data_iter_random(range(301), 2, 3, rng=rng))[0].tolist()

    rng = np.random.default_rng(7)
    assert order(7) == order(7) == order(rng)
    assert order(rng) != order(7) != order(8)
    assert order(None) != order(None)


def test_sampling_leaves_the_corpus_and_the_global_random_numbers_alone(sampler):
    corpus, before = np.arange(30), np.random.get_state()[1].copy()  # noqa: NPY002

    list(sampler(corpus, 2, 3))

    assert (corpus == np.arange(30)).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_long_corpus_is_not_copied_for_an_epoch(sampler):
    corpus = np.zeros(2**22, np.int32)

    tracemalloc.start()
    try:
        next(sampler(corpus, 32, 35))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < len(corpus) // 2 + 2**17  # two numbers of 8 bytes for each window of 35


# Offsets


def drawn_offsets(subject, num_chars, batch_size, num_steps, is_random_iter):
    rng = np.random.default_rng(0)
    return {
        subject.fresh_offset(rng, num_chars, batch_size, num_steps, is_random_iter=is_random_iter)
        for _ in range(300)
    }


@pytest.mark.parametrize(("batch_size", "num_steps"), SIZES)
def test_over_the_epochs_consecutive_batches_train_on_every_target(subject, batch_size, num_steps):
    least = batch_size * (num_steps + 1)
    for num_chars in range(least + batch_size * num_steps - 1, least + 3 * batch_size * num_steps):
        seen = set()
        for offset in drawn_offsets(subject, num_chars, batch_size, num_steps, is_random_iter=False):
            batches = subject.data_iter_consecutive(range(num_chars), batch_size, num_steps, offset=offset)
            seen.update(numbers(batches)[1].ravel().tolist())

        assert seen == set(range(1, num_chars))


@pytest.mark.parametrize(("batch_size", "num_steps"), SIZES)
def test_over_the_epochs_random_batches_train_on_every_target(subject, batch_size, num_steps):
    least = batch_size * num_steps + 1
    for num_chars in range(least, least + 2 * num_steps + 1):
        seen, rng = set(), np.random.default_rng(0)
        for offset in 20 * list(
            drawn_offsets(subject, num_chars, batch_size, num_steps, is_random_iter=True)
        ):
            batches = subject.data_iter_random(
                range(num_chars), batch_size, num_steps, rng=rng, offset=offset
            )
            seen.update(numbers(batches)[1].ravel().tolist())

        assert seen == set(range(1, num_chars))


@given(case=cases(), is_random_iter=st.booleans(), seed=st.integers(0, 99))
def test_a_fresh_offset_leaves_at_least_one_batch(subject, case, is_random_iter, seed):
    num_chars, batch_size, num_steps, _ = case
    sampler = subject.data_iter_random if is_random_iter else subject.data_iter_consecutive

    offset = subject.fresh_offset(
        np.random.default_rng(seed), num_chars, batch_size, num_steps, is_random_iter=is_random_iter
    )

    assert type(offset) is int
    assert len(list(sampler(range(num_chars), batch_size, num_steps, offset=offset))) >= 1


@pytest.mark.parametrize("is_random_iter", [True, False])
def test_a_corpus_too_short_for_a_batch_gets_offset_zero(subject, is_random_iter):
    assert drawn_offsets(subject, 5, 2, 3, is_random_iter) == {0}


# What is refused, at the first next()


@pytest.mark.parametrize("num_chars", range(7))
def test_a_corpus_that_fills_no_batch_is_refused(sampler, num_chars):
    batches = sampler(range(num_chars), 2, 3)

    with pytest.raises(ValueError, match=f"^{num_chars} .*[78]"):
        next(batches)


def test_the_least_that_the_error_asks_for_is_enough(sampler):
    least = 7 if sampler.__name__ == "data_iter_random" else 8

    assert len(list(sampler(range(least), 2, 3))) == 1
    with pytest.raises(ValueError, match=f"^{least - 1} .*{least}"):
        next(sampler(range(least - 1), 2, 3))


@pytest.mark.parametrize("offset", range(24, 31))
def test_an_offset_that_leaves_no_batch_is_refused(sampler, offset):
    batches = sampler(range(30), 2, 3, offset=offset)

    with pytest.raises(ValueError, match=f"^{30 - offset} "):
        next(batches)


@pytest.mark.parametrize("offset", [-1, 31, float("nan")])
def test_an_offset_outside_the_corpus_is_refused(sampler, offset):
    batches = sampler(range(30), 2, 3, offset=offset)

    with pytest.raises(ValueError, match=f"offset.*{offset}"):
        next(batches)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
@pytest.mark.parametrize("name", ["batch_size", "num_steps"])
def test_a_size_that_is_no_positive_integer_is_refused(sampler, name, size):
    batches = sampler(range(30), **{"batch_size": 2, "num_steps": 3, name: size})

    with pytest.raises(ValueError, match=f"{name}.*{size}"):
        next(batches)


@pytest.mark.parametrize(
    ("corpus", "error", "found"),
    [
        ([0.5] * 30, IndexError, "0.5"),
        ([0, float("nan")] * 15, IndexError, "nan"),
        ([0, -1] * 15, ValueError, "-1"),
        ([2**31] * 30, ValueError, "2147483648"),
        ([[0] * 30], ValueError, "2"),
        ([True] * 30, TypeError, "bool"),
        ("想要有直升机" * 5, TypeError, "U30"),
    ],
    ids=["fraction", "NaN", "negative", "2**31", "2-D", "bool", "str"],
)
def test_indices_that_are_none_are_refused(sampler, corpus, error, found):
    batches = sampler(corpus, 2, 3)

    with pytest.raises(error, match=f"corpus_indices.*{found}"):
        next(batches)
