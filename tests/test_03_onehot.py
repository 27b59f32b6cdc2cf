"""Lesson 3: every index becomes a row with a single 1, and no index is lost without a word."""

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mxnet import nd

BAD_INDICES = [5, -1, 2**32, 1.5, float("nan"), float("inf")]  # of 5; as int32, 2**32 would be class 0
bad_indices = pytest.mark.parametrize("index", BAD_INDICES)


@st.composite
def indices_and_vocab_size(draw, shapes):
    vocab_size = draw(st.integers(1, 9))
    return draw(arrays(np.int64, shapes, elements=st.integers(0, vocab_size - 1))), vocab_size


# one_hot


def test_a_number_becomes_one_vector(subject):
    assert subject.one_hot(2, 4).asnumpy().tolist() == [0, 0, 1, 0]


def test_a_list_becomes_one_row_for_each_index(subject):
    assert subject.one_hot([0, 2, 2], 3).asnumpy().tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_a_matrix_becomes_one_row_for_each_index_and_not_for_each_row(subject):
    assert subject.one_hot([[0, 1], [2, 0]], 3).asnumpy().tolist() == [
        [[1, 0, 0], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0]],
    ]


@given(case=indices_and_vocab_size(array_shapes(max_dims=4, max_side=4)))
def test_one_hot_picks_rows_of_the_identity_matrix(subject, case):
    indices, vocab_size = case

    encoded = subject.one_hot(indices, vocab_size)

    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded.asnumpy(), np.eye(vocab_size)[indices])


@given(case=indices_and_vocab_size(array_shapes(max_dims=3, max_side=5)))
def test_argmax_undoes_one_hot_and_every_vector_sums_to_one(subject, case):
    indices, vocab_size = case

    encoded = subject.one_hot(nd.array(indices, dtype="int32"), vocab_size).asnumpy()

    np.testing.assert_array_equal(encoded.argmax(axis=-1), indices)
    assert (encoded.sum(axis=-1) == 1).all() and set(encoded.ravel()) <= {0, 1}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_whole_numbers_of_every_dtype_are_indices(subject, dtype):
    assert subject.one_hot(nd.array([1, 0], dtype=dtype), 2).asnumpy().tolist() == [[0, 1], [1, 0]]
    assert subject.one_hot(np.array([1, 0], dtype=dtype), 2).asnumpy().tolist() == [[0, 1], [1, 0]]


def test_vectors_and_matrices_are_where_the_indices_are(subject):
    data = nd.array([[0, 1]], ctx=mx.cpu(1), dtype="int32")

    assert subject.one_hot(data, 2).context == mx.cpu(1)
    assert [X.context for X in subject.get_inputs(data, 2)] == [mx.cpu(1), mx.cpu(1)]


@bad_indices
def test_one_hot_refuses_an_index_that_is_none(subject, index):
    for indices in ([0, index], nd.array([0, index], dtype=np.array(index).dtype)):
        with pytest.raises(IndexError, match=f" {index}"):
            subject.one_hot(indices, 5)


@pytest.mark.parametrize("vocab_size", [0, -1, 2.5, True])
def test_vocab_size_is_an_integer_of_at_least_one(subject, vocab_size):
    for function in (subject.one_hot, subject.get_inputs):
        with pytest.raises(ValueError, match=f"vocab_size.*{vocab_size}"):
            function([[0]], vocab_size)


# get_inputs


def test_inputs_are_one_matrix_a_time_step_with_one_row_a_sequence(subject):
    inputs = subject.get_inputs(nd.array([[0, 1, 2], [3, 0, 1]], dtype="int32"), 4)

    assert [X.asnumpy().tolist() for X in inputs] == [
        [[1, 0, 0, 0], [0, 0, 0, 1]],
        [[0, 1, 0, 0], [1, 0, 0, 0]],
        [[0, 0, 1, 0], [0, 1, 0, 0]],
    ]


@given(case=indices_and_vocab_size(array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_inputs_are_the_one_hot_rows_of_data_transposed(subject, case):
    data, vocab_size = case
    batch_size, num_steps = data.shape

    inputs = subject.get_inputs(nd.array(data, dtype="int32"), vocab_size)

    assert isinstance(inputs, list) and len(inputs) == num_steps
    for X, column in zip(inputs, data.T):
        assert X.shape == (batch_size, vocab_size) and X.dtype == np.float32
        np.testing.assert_array_equal(X.asnumpy(), np.eye(vocab_size)[column])


@bad_indices
def test_get_inputs_refuses_an_index_that_is_none(subject, index):
    with pytest.raises(IndexError, match=f" {index}"):
        subject.get_inputs([[0, 1], [4, index]], 5)


@pytest.mark.parametrize("data", [2, [0, 1], [[[0, 1]]]], ids=["number", "1-D", "3-D"])
def test_get_inputs_refuses_data_that_is_no_matrix(subject, data):
    with pytest.raises(ValueError, match=f"{np.ndim(data)} dim"):
        subject.get_inputs(data, 5)
