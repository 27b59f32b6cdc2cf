"""Lesson 15: the fast network is the book's: the same loss, the same state, the same gradients."""

import json

import d2lrnn
from d2lrnn import cross_entropy, get_inputs, get_rows, train_and_predict_rnn
from d2lrnn.decoding import Choice, choose, generate_batch, probabilities
from d2lrnn.engine import backprop, layers
from d2lrnn.engine.cells import GRU, LSTM, RNN

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd

CPU = mx.cpu()
BOOK = {
    "rnn": (d2lrnn.rnn, d2lrnn.get_params, d2lrnn.init_rnn_state),
    "gru": (d2lrnn.gru, d2lrnn.get_gru_params, d2lrnn.init_gru_state),
    "lstm": (d2lrnn.lstm, d2lrnn.get_lstm_params, d2lrnn.init_lstm_state),
}
PER_LAYER = {
    "rnn": ["W_xh", "W_hh", "b_h"],
    "gru": ["W_xz", "W_hz", "b_z", "W_xr", "W_hr", "b_r", "W_xh", "W_hh", "b_h"],
    "lstm": ["W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c"],
}
SIZES = st.tuples(*[st.integers(1, most) for most in (3, 5, 6, 5)])  # batch, steps, vocabulary, hidden
cells = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
readers = pytest.mark.parametrize("read", [get_rows, get_inputs], ids=["rows", "matrices"])


def filled(arrays):
    """The arrays with every number drawn anew, biases too: a forgotten one shows."""
    rng = np.random.default_rng(4)
    for array in arrays:
        array[:] = nd.array(rng.normal(scale=0.7, size=array.shape), CPU)
    return arrays


def new_pair(batch_size, num_steps, vocab_size):
    """data and label, (batch_size, num_steps), of random characters."""
    chars = np.random.default_rng(5).integers(vocab_size, size=(2, batch_size, num_steps))
    return nd.array(chars, ctx=CPU, dtype="int32")


def learn(network, inputs, label, state, params):
    """The loss, the new state and the gradient of every parameter."""
    with autograd.record():
        outputs, state = network(inputs, state, params)
        loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    loss.backward()
    return [loss, *state, *(param.grad for param in params)]


def assert_alike(found, expected):
    assert len(found) == len(expected)
    for this, other in zip(found, expected):
        np.testing.assert_allclose(this.asnumpy(), other.asnumpy(), rtol=1e-4, atol=1e-6)


# --- one layer ------------------------------------------------------------------------------------


@cells
@settings(max_examples=10)
@given(sizes=SIZES)
def test_rows_looked_up_give_the_loss_the_state_and_the_gradients_of_the_book(subject, cell, sizes):
    batch_size, _, vocab_size, hidden_dim = sizes
    book, get, init = BOOK[cell]
    params, (data, label) = filled(get(vocab_size, hidden_dim, CPU)), new_pair(*sizes[:3])
    state = filled(init(batch_size, hidden_dim, CPU))
    expected = [array.copy() for array in learn(book, get_inputs(data, vocab_size), label, state, params)]

    rows = subject.get_rows(data, vocab_size)
    network = subject.get_network(cell).rnn

    assert_alike(learn(network, rows, label, state, params), expected)


@cells
@pytest.mark.parametrize("sizes", [(2, 3, 5, 4), (1, 1, 2, 1), (3, 1, 4, 2)], ids=str)
def test_one_hot_matrices_are_taken_too(subject, cell, sizes):
    batch_size, _, vocab_size, hidden_dim = sizes
    book, get, init = BOOK[cell]
    params, (data, label) = filled(get(vocab_size, hidden_dim, CPU)), new_pair(*sizes[:3])
    state, inputs = filled(init(batch_size, hidden_dim, CPU)), get_inputs(data, vocab_size)
    expected = [array.copy() for array in learn(book, inputs, label, state, params)]

    assert_alike(learn(subject.get_network(cell).rnn, inputs, label, state, params), expected)


@cells
def test_the_outputs_are_one_time_major_matrix(subject, cell):
    book, get, init = BOOK[cell]
    params, (data, _) = filled(get(5, 4, CPU)), new_pair(2, 3, 5)
    outputs, _ = book(get_inputs(data, 5), init(2, 4, CPU), params)

    (logits,), _ = subject.get_network(cell).rnn(get_rows(data, 5), init(2, 4, CPU), params)

    assert logits.shape == (3 * 2, 5)
    assert_alike([logits[4:]], outputs[2:])


@cells
def test_one_layer_starts_from_the_parameters_of_the_book(subject, cell):
    network, (_, get, init) = subject.get_network(cell, 1), BOOK[cell]
    mx.random.seed(1)
    expected = get(5, 4, CPU, scale=0.3)
    mx.random.seed(1)

    params = network.get_params(5, 4, CPU, scale=0.3)

    assert params._fields == expected._fields
    assert_alike(params, expected)
    assert_alike(network.init_state(2, 4, CPU), init(2, 4, CPU))


# --- several layers -------------------------------------------------------------------------------


def layer_after_layer(cell, num_layers, inputs, state, params):
    """The book's function once a layer, with the unit matrix for W_hy, so that its outputs are H."""
    book, size, width, new_state = BOOK[cell][0], len(PER_LAYER[cell]), len(state) // num_layers, []
    hidden_dim = state[0].shape[1]
    for k in range(num_layers):
        layer = [*params[k * size : (k + 1) * size], nd.eye(hidden_dim), nd.zeros(hidden_dim)]
        inputs, layer_state = book(inputs, state[k * width : (k + 1) * width], layer)
        new_state += layer_state
    return [nd.dot(H, params[-2]) + params[-1] for H in inputs], new_state


@cells
@readers
@pytest.mark.parametrize("num_layers", [2, 3])
@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_layer_reads_what_the_layer_below_it_says(subject, cell, read, num_layers, num_steps):
    network = subject.get_network(cell, num_layers)
    params, state = filled(network.get_params(4, 4, CPU)), filled(network.init_state(2, 4, CPU))
    data, label = new_pair(2, num_steps, 4)

    def stack(inputs, state, params):
        return layer_after_layer(cell, num_layers, inputs, state, params)

    expected = [array.copy() for array in learn(stack, get_inputs(data, 4), label, state, params)]

    assert_alike(learn(network.rnn, read(data, 4), label, state, params), expected)


@cells
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_the_names_and_shapes_of_parameters_tell_layer_and_gate(subject, cell, num_layers):
    params = subject.get_network(cell, num_layers).get_params(5, 4, CPU)

    above = [f"{name}_{k}" for k in range(2, num_layers + 1) for name in PER_LAYER[cell]]
    assert list(params._fields) == [*PER_LAYER[cell], *above, "W_hy", "b_y"]
    first, upper, output = [(5, 4), (4, 4), (4,)], [(4, 4), (4, 4), (4,)], [(4, 5), (5,)]
    num_gates = len(PER_LAYER[cell]) // 3
    assert [param.shape for param in params] == (
        first * num_gates + upper * num_gates * (num_layers - 1) + output
    )
    assert all(param.grad is not None for param in params)


@pytest.mark.parametrize(("cell", "num_states"), [("rnn", 1), ("gru", 1), ("lstm", 2)])
def test_every_layer_has_its_own_state_of_zeros(subject, cell, num_states):
    state = subject.get_network(cell, 3).init_state(2, 4, CPU)

    assert [S.shape for S in state] == [(2, 4)] * 3 * num_states
    assert not any(S.asnumpy().any() for S in state)
    assert len({id(S) for S in state}) == 3 * num_states


@cells
def test_two_layers_are_trained_and_write_like_any_network(subject, cell):
    vocab, network = d2lrnn.Vocab("abcd"), subject.get_network(cell, 2)

    perplexities = train_and_predict_rnn(
        network.rnn, network.get_params, network.init_state, 4, vocab, vocab.encode("abcd" * 6), ctx=CPU,
        num_epochs=2, num_steps=3, batch_size=2, optimizer="adam", lr=0.01, clipping_theta=1,
        pred_period=1, pred_len=3, prefixes=("ab",),
    )  # fmt: skip

    assert perplexities == pytest.approx([4, 4], rel=0.1)


@cells
def test_lesson_9_measures_with_rows_as_with_matrices(subject, cell):
    network, indices = subject.get_network(cell, 2), np.arange(25) % 4
    params = filled(network.get_params(4, 4, CPU))

    def perplexity(get_inputs):
        read = network.rnn, params, network.init_state, indices, 2, 3
        return d2lrnn.evaluate(*read, get_inputs=get_inputs)

    assert perplexity(subject.get_rows) == pytest.approx(perplexity(get_inputs), rel=1e-4)


# --- learning without autograd --------------------------------------------------------------------


cut = pytest.mark.parametrize("parts", [1, 2, 5])


def new_network(subject, cell, num_layers, *, parts=2, **options):
    network = subject.get_network(cell, num_layers, **options)
    if not hasattr(network, "learn"):
        pytest.skip("this network leaves learning to autograd")
    return network._replace(parts=parts)


@pytest.mark.parametrize(("threads", "parts"), [("3", 3), ("many", 1)])
def test_without_a_number_a_batch_is_cut_into_a_part_for_each_thread(subject, threads, parts, monkeypatch):
    new_network(subject, "rnn", 1)
    monkeypatch.setenv("MXNET_CPU_WORKER_NTHREADS", threads)

    assert subject.get_network("rnn").parts == parts
    assert d2lrnn.get_network("rnn", parts=2).parts == 2


def graphs_of_a_part(steps, num_slopes):
    """The results of each graph that runs beside those of the other parts, and what all parts read."""

    gates = len(steps.fed)

    def new(name, number=gates):
        return [mx.sym.var(f"{name}{k}") for k in range(number)]

    W_x, W_h, b, state = new("W_x"), new("W_h"), new("b"), new("S", steps.num_states)
    fed, slopes = new("fed", max(steps.fed) + 1), new("slope", num_slopes)
    X, H, label = new("X", 3)
    for reads_indices in (True, False):
        shape = layers.LayerShape(steps, reads_indices, 3, 2, 4, 4)
        yield layers.forward(mx.sym, shape, [X], W_x, b, W_h, (), state), [*W_x, *W_h, *b, *state]
    yield layers.backward(mx.sym, shape, [H], slopes, fed, W_h, (), state, [X], W_x), [*W_x, *W_h]
    for tied in (True, False):
        shape, weights, unseen = backprop.Score(6, 4, 5, 18, tied), new("W_y", 2), new("unseen", 1)
        yield backprop.score(mx.sym, shape, [H, label], weights, unseen), [*weights, *unseen]


@pytest.mark.parametrize(("steps", "num_slopes"), [(RNN, 1), (GRU, 5), (LSTM, 6)], ids=["rnn", "gru", "lstm"])
def test_onednn_reads_nothing_that_another_thread_may_read(steps, num_slopes):
    """Two that do so crash, once in some thousand batches."""
    for outputs, shared in graphs_of_a_part(steps, num_slopes):
        graph, names = json.loads(mx.sym.Group(outputs).tojson()), {each.name for each in shared}
        for node in graph["nodes"]:
            if any(graph["nodes"][read[0]]["name"] in names for read in node["inputs"]):
                assert node["op"] in {"_mul_scalar", "elemwise_mul", "Embedding"}
        results = {graph["nodes"][head[0]]["op"] for head in graph["heads"]}
        assert not results & {"FullyConnected", "transpose", "Reshape"}


@cells
@cut
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(3, 5, 6, 4), (1, 1, 2, 1), (2, 4, 7, 3)], ids=str)
def test_gradients_by_hand_are_those_of_autograd(subject, cell, num_layers, sizes, parts):
    batch_size, num_steps, vocab_size, hidden_dim = sizes
    network = new_network(subject, cell, num_layers, parts=parts)
    params = filled(network.get_params(vocab_size, hidden_dim, CPU))
    state = filled(network.init_state(batch_size, hidden_dim, CPU))

    for _ in range(2):  # the second batch finds the gradients and the memory of the first
        data, label = new_pair(batch_size, num_steps, vocab_size)
        rows = get_rows(data, vocab_size)
        expected = [array.copy() for array in learn(network.rnn, rows, label, state, params)]

        loss, state = network.learn(data, label, state, params)

        assert_alike([loss, *state, *(param.grad for param in params)], expected)


@cells
def test_networks_of_the_same_sizes_take_turns_and_each_has_its_own_weights(subject, cell):
    network, vocab = new_network(subject, cell, 2), d2lrnn.Vocab("abcdefg")
    (data, label), state = new_pair(3, 4, 7), network.init_state(3, 4, CPU)
    pair = [filled(network.get_params(7, 4, CPU)), filled(network.get_params(7, 4, CPU))]
    for param in pair[1]:
        param *= -0.5

    def loss_gradients_and_text(params):
        loss, _ = network.learn(data, label, state, params)
        text = written(network.writer(params), ["ab", "c"], 30, vocab)
        return [loss.asscalar(), *[param.grad.asnumpy().copy() for param in params]], text

    first = [loss_gradients_and_text(params) for params in pair]
    again = [loss_gradients_and_text(params) for params in pair]

    for (found, text), (expected, same_text), params in zip(again, first, pair):
        right = learn(network.rnn, get_rows(data, 7), label, state, params)
        for this, other, autograd_s in zip(found, expected, [right[0], *right[-len(params) :]]):
            np.testing.assert_array_equal(this, other)
            np.testing.assert_allclose(this, autograd_s.asnumpy().reshape(this.shape), rtol=1e-4, atol=1e-6)
        assert text == same_text == written(led(network.writer(params)), ["ab", "c"], 30, vocab)
    assert first[0][1] != first[1][1]


@cells
@cut
def test_dropout_is_the_same_on_the_way_back(subject, cell, parts):
    network = new_network(subject, cell, 2, parts=parts, dropout=0.5)
    params = filled(network.get_params(5, 6, CPU))
    (data, label), state = new_pair(4, 5, 5), network.init_state(4, 6, CPU)

    def loss(shift=0.0):
        mx.random.seed(3)  # the same numbers are dropped
        params[1][1, 2] += shift  # W_h of the first gate, below the layer that drops
        nats, _ = network.learn(data, label, state, params)
        params[1][1, 2] -= shift
        return nats.asscalar()

    slope = (loss(0.01) - loss(-0.01)) / 0.02
    whole = loss()
    mx.random.seed(4)
    others, _ = network.learn(data, label, state, params)

    loss()
    assert params[1].grad[1, 2].asscalar() == pytest.approx(slope, rel=0.02)
    assert others.asscalar() != whole


@cells
@pytest.mark.parametrize("num_layers", [1, 3])
def test_a_writer_reads_character_by_character_what_the_network_reads_at_once(subject, cell, num_layers):
    network = new_network(subject, cell, num_layers)
    params, (data, _) = filled(network.get_params(7, 4, CPU)), new_pair(3, 5, 7)
    rows, state = get_rows(data, 7), filled(network.init_state(3, 4, CPU))
    (expected,), last = network.rnn(rows, state, params)
    writer, logits = network.writer(params), []
    for t in range(5):
        Y, state = writer.read(rows[t : t + 1], state)
        logits.append(Y)

    assert_alike([nd.concat(*logits, dim=0), *state], [expected, *last])


def written(writer, prefixes, num_chars, vocab):
    return generate_batch(prefixes, num_chars, writer, vocab, Choice(temperature=0))


def led(writer):
    """The same, made to write character by character."""
    return writer._replace(go_on=None)


@cells
@cut
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("num_chars", [1, 19, 20, 47])
def test_a_writer_that_goes_on_writes_what_one_writes_that_is_led(
    subject, cell, num_layers, num_chars, parts
):
    network, vocab = new_network(subject, cell, num_layers, parts=parts), d2lrnn.Vocab("abcdefghij")
    params = filled(network.get_params(10, 8, CPU))
    prefixes = ["a", "bcdefghija", "jj", "f", "hij"]

    texts = written(network.writer(params), prefixes, num_chars, vocab)

    assert texts == written(led(network.writer(params)), prefixes, num_chars, vocab)
    assert [len(text) - len(prefix) for text, prefix in zip(texts, prefixes)] == [num_chars] * 5
    assert len(set("".join(texts))) > 3


@cells
@pytest.mark.parametrize(("num_layers", "temperature"), [(1, 1e-9), (2, 0.3), (1, 1.0)])
def test_a_writer_that_goes_on_draws_what_one_draws_that_is_led(subject, cell, num_layers, temperature):
    network, vocab = (
        new_network(subject, cell, num_layers),
        d2lrnn.Vocab("".join(map(chr, range(0x4E00, 0x4E00 + 90)))),
    )
    writer = network.writer(filled(network.get_params(90, 8, CPU)))
    chars, choice = "".join(vocab.idx_to_char), Choice(temperature, seed=4)
    args = [chars[1], chars[2:30], chars[7] * 3], 310

    texts = generate_batch(*args, writer, vocab, choice, num_samples=2)

    assert texts == generate_batch(*args, led(writer), vocab, choice, num_samples=2)
    assert len(set("".join(texts))) > 20


class Given:
    """A generator of the numbers that it is given."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def random(self, size):
        taken, self.numbers = self.numbers[:size], self.numbers[size:]
        return np.array([*taken, *[0.5] * (size - len(taken))])


@pytest.mark.parametrize("vocab_size", [1, 2, 9, 10, 300])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_a_number_beside_the_end_of_a_character_falls_where_lesson_8_says(subject, vocab_size, temperature):
    network, choice = new_network(subject, "lstm", 1, parts=2), Choice(temperature)
    params = filled(network.get_params(vocab_size, 4, CPU))
    params.W_hy[:] = 0
    p = probabilities(params.b_y.asnumpy(), temperature, None, None)
    ends = np.cumsum(p)[:-1]
    ends = ends[:: len(ends) // 10 + 1]
    numbers = np.concatenate([[0, 1 - 2**-53], ends, ends - 1e-9, ends + 1e-9, ends - 1e-15])
    drawn = np.clip([numbers, numbers[::-1], np.roll(numbers, 1)], 0, 1 - 2**-53)
    writer = network.writer(params)

    chunks = writer.go_on(np.zeros(3), writer.init_state(3), len(numbers), choice, [*map(Given, drawn)])

    logits = np.tile(params.b_y.asnumpy(), (len(numbers), 1))
    expected = [choose(logits, each, choice) for each in drawn]
    np.testing.assert_array_equal(np.concatenate(list(chunks)).T, expected)


def test_of_equally_likely_characters_a_writer_takes_the_first(subject):
    network, vocab = new_network(subject, "rnn", 1), d2lrnn.Vocab("abcdef")
    params = network.get_params(6, 4, CPU)
    params.W_hy[:] = 0
    params.b_y[:] = nd.array([0, 1, 2, 2, 2, 1])

    assert written(network.writer(params), ["a", "f"], 3, vocab) == ["accc", "fccc"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 2e30])
@pytest.mark.parametrize("which", ["W_xh", "W_hh", "b_h", "W_hh_2", "W_hy", "b_y"])
def test_weights_that_are_not_finite_write_nothing(subject, which, bad):
    network = new_network(subject, "rnn", 2)
    params = network.get_params(6, 4, CPU)
    getattr(params, which)[-1:] = bad

    with pytest.raises(FloatingPointError, match="output is not finite"):
        network.writer(params)


def test_a_network_of_the_largest_weights_writes_finite_outputs(subject):
    network = new_network(subject, "lstm", 1)
    params = network.get_params(6, 4, CPU)
    for param in params:
        param[:] = 0.49e30  # with its bias a row is below the bound
    logits, _ = network.writer(params).read(nd.zeros((1, 2), dtype="int32"), network.init_state(2, 4))

    assert np.isfinite(logits.asnumpy()).all()


def train(network, params, optimizer, theta, batches, train_batch):
    """The losses, one a batch. train_batch: None for that of lesson 9."""
    steps = d2lrnn.train_batches(
        network.rnn, params, network.init_state, batches, optimizer, theta, is_random_iter=False,
        train_batch=train_batch,
    )  # fmt: skip
    return [nats for nats, _, _ in steps]


@cells
@pytest.mark.parametrize(
    ("name", "lr", "decay"), [("sgd", 1.0, 0), ("sgd", 1.0, 0.1), ("adam", 0.01, 0), ("adam", 0.01, 9.0)]
)
@pytest.mark.parametrize("theta", [0.1, 1e9], ids=["clipped", "whole"])
def test_a_training_batch_by_batch_is_that_of_lesson_9(subject, cell, name, lr, decay, theta):
    network, results = new_network(subject, cell, 2), []
    batches = list(d2lrnn.data_iter_consecutive(np.arange(61) ** 2 % 7, 2, 3, CPU))
    for train_batch in (None, network.train_batch):
        params = filled(network.get_params(7, 4, CPU))
        optimizer = d2lrnn.Optimizer(name, params, lr, weight_decay=decay)
        nats = train(network, params, optimizer, theta, batches, train_batch)
        results.append((nats, optimizer.t, [*params, *[S for pair in optimizer.states for S in pair]]))

    (slow, t, expected), (nats, fast_t, found) = results
    assert fast_t == t == len(batches)
    assert nats == pytest.approx(slow, rel=1e-4)
    for this, other in zip(found, expected):
        np.testing.assert_allclose(this.asnumpy(), other.asnumpy(), rtol=1e-3, atol=1e-5)


def test_a_batch_waits_for_the_device_once(subject, monkeypatch):
    network = new_network(subject, "lstm", 2)
    params, waits = network.get_params(7, 4, CPU), []
    (data, label), state = new_pair(2, 3, 7), network.init_state(2, 4, CPU)
    optimizer = d2lrnn.Optimizer("adam", params, 0.01)
    asnumpy = nd.NDArray.asnumpy
    monkeypatch.setattr(nd.NDArray, "asnumpy", lambda array: waits.append(array.shape) or asnumpy(array))
    monkeypatch.setattr(nd.NDArray, "wait_to_read", lambda array: waits.append(array.shape))

    network.train_batch(params, state, (data, label), optimizer, 1.0)

    assert len(waits) == 1


def one_batch(subject, scale=1.0, data=None, label=None, theta=1.0):
    """What a batch does to a network with weights scaled: its loss or error, parameters before, after, t."""
    network = new_network(subject, "rnn", 1)
    params = filled(network.get_params(5, 4, CPU))
    for param in params:
        param *= scale
    before = [param.asnumpy().copy() for param in params]
    pair = new_pair(2, 3, 5) if data is None else (data, label)
    optimizer = d2lrnn.Optimizer("sgd", params, 1e-3)
    try:
        nats, _ = network.train_batch(params, network.init_state(2, 4, CPU), pair, optimizer, theta)
    except (FloatingPointError, IndexError) as error:
        nats = error
    return nats, before, [param.asnumpy() for param in params], optimizer.t


@pytest.mark.parametrize("scale", [1e30, float("nan"), float("inf")])
def test_what_is_not_finite_changes_nothing(subject, scale):
    nats, before, after, t = one_batch(subject, scale)

    assert isinstance(nats, FloatingPointError)
    assert t == 0
    for this, other in zip(after, before):
        np.testing.assert_array_equal(this, other)


def test_a_loss_beyond_the_smallest_probability_is_right(subject):
    network = new_network(subject, "rnn", 1)
    params, (data, label) = filled(network.get_params(5, 4, CPU)), new_pair(2, 3, 5)
    params.b_y[:] = nd.array([0, 150, 0, 0, 0])  # exp(-150) is 0 in float32
    state = network.init_state(2, 4, CPU)
    expected, *_ = learn(network.rnn, get_rows(data, 5), label, state, params)
    expected = expected.asscalar()
    optimizer = d2lrnn.Optimizer("sgd", params, 1e-3)

    nats, _ = network.train_batch(params, state, (data, label), optimizer, 1.0)

    assert 50 < nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("theta", [1e-25, 1e-3])
def test_gradients_too_small_to_be_squared_are_clipped_too(subject, theta):
    network = new_network(subject, "rnn", 1)
    params, (data, label) = filled(network.get_params(2, 4, CPU)), new_pair(2, 3, 2)
    label[:] = 0
    params.b_y[:] = nd.array([50, 0])  # nothing to learn: gradients of e^-50
    before = [param.asnumpy().astype("f8") for param in params]
    optimizer = d2lrnn.Optimizer("sgd", params, 1.0)

    network.train_batch(params, network.init_state(2, 4, CPU), (data, label), optimizer, theta)

    moved = sum(((param.asnumpy() - old) ** 2).sum() for param, old in zip(params, before)) ** 0.5
    assert moved <= theta * 1.01


@pytest.mark.parametrize("bad", [-1, 5, 2**24, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("where", ["data", "label"])
def test_a_character_that_is_not_there_changes_nothing(subject, bad, where):
    pair = dict(zip(("data", "label"), new_pair(2, 3, 5)))
    pair[where][1, 2] = bad

    error, before, after, t = one_batch(subject, **pair)

    assert isinstance(error, IndexError)
    assert f"index {bad} is outside a vocabulary of 5" in str(error)
    assert t == 0
    for this, other in zip(after, before):
        np.testing.assert_array_equal(this, other)


# --- what is refused ------------------------------------------------------------------------------


def test_rows_are_the_indices_step_by_step(subject):
    rows = subject.get_rows(nd.array([[1, 2, 3], [4, 0, 1]]), 5)

    assert rows.dtype == np.int32
    assert rows.asnumpy().tolist() == [[1, 4], [2, 0], [3, 1]]


@pytest.mark.parametrize("bad", [-1, 5, 0.5, float("nan"), 2**24])
def test_a_row_that_is_not_there_is_refused(subject, bad):
    with pytest.raises(IndexError, match=r"outside a vocabulary of 5|whole number"):
        subject.get_rows(nd.array([[0, 4], [bad, 1]]), 5)


@pytest.mark.parametrize("data", [[1, 2, 3], [[[1, 2], [3, 4]]]], ids=str)
def test_data_that_are_no_matrix_are_refused(subject, data):
    with pytest.raises(ValueError, match=r"have [13] dimensions: give 2"):
        subject.get_rows(nd.array(data), 5)


@pytest.mark.parametrize("cell", ["RNN", "transformer", "", None])
def test_an_unknown_cell_is_refused_by_name(subject, cell):
    with pytest.raises(ValueError, match=f"cell is {cell!r}: give one of rnn, gru, lstm"):
        subject.get_network(cell)


@pytest.mark.parametrize("num_layers", [0, -1, 1.5, True])
def test_a_network_has_at_least_one_layer(subject, num_layers):
    with pytest.raises(ValueError, match="num_layers is"):
        subject.get_network("rnn", num_layers)
