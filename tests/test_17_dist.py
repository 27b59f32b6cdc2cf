"""Lesson 17: shards lose nothing, and workers take together the step that one would take on all their rows.

Here all of them are in one process; tests/test_workers.py starts real ones.
"""

import itertools
from types import SimpleNamespace

import d2lrnn
from d2lrnn import Optimizer, cross_entropy, dist, get_inputs, get_network
from d2lrnn.fast import Regularisers

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, nd

CPU = mx.cpu()
BOOK = {"rnn": d2lrnn.rnn, "lstm": d2lrnn.lstm}
ROWS, STEPS, VOCAB, HIDDEN = 2, 5, 6, 4  # of one worker's batch


def new_params(cell="rnn"):
    """A network and parameters for it, every number drawn, biases too."""
    network, rng = get_network(cell), np.random.default_rng(4)
    params = network.get_params(VOCAB, HIDDEN, CPU)
    for param in params:
        param[:] = nd.array(rng.normal(scale=0.7, size=param.shape), CPU)
    return network, params


def new_batch(num_rows, cell="rnn", seed=5):
    """data, label and a state for so many rows."""
    rng = np.random.default_rng(seed)
    data, label = nd.array(rng.integers(VOCAB, size=(2, num_rows, STEPS)), CPU, "int32")
    state = get_network(cell).init_state(num_rows, HIDDEN, CPU)
    return data, label, tuple(nd.array(rng.normal(size=S.shape), CPU) for S in state)


def gradients(params):
    return [param.grad.asnumpy() for param in params]


def bits(arrays):
    return [array.asnumpy().tobytes() for array in arrays]


class Neighbours:
    """This worker, and what others with rows of their own have said before it, by name."""

    def __init__(self, index, others=()):
        self.shards, self.others, self.said = (index,), others, {}

    def add_up(self, rows, out, name="", read=None):
        (row,) = rows
        self.said = {**self.said, name: row.copy()}
        out[:] = sum((other[name] for other in self.others), self.said[name])

    def gather(self, name, rows):
        return np.vstack([rows, *self.others])


# --- shard ---


def test_shards_of_ten_characters_share_their_borders(subject):
    parts = [subject.shard(list(range(10)), index, 3) for index in range(3)]

    assert parts == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


def test_what_fills_no_equal_parts_is_left_out_at_the_end(subject):
    parts = [subject.shard(list(range(12)), index, 3) for index in range(3)]

    assert parts == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


@given(num_workers=st.integers(1, 9), more=st.integers(0, 40))
def test_every_target_is_in_one_shard_but_for_fewer_than_there_are_workers(subject, num_workers, more):
    corpus = list(range(num_workers + 1 + more))

    parts = [subject.shard(corpus, index, num_workers) for index in range(num_workers)]

    targets = [target for part in parts for target in part[1:]]
    assert len({len(part) for part in parts}) == 1
    assert targets == corpus[1 : len(targets) + 1]
    assert len(corpus) - 1 - len(targets) < num_workers


@pytest.mark.parametrize("kind", [list, range, np.arange], ids=lambda kind: kind.__name__)
def test_a_shard_is_of_the_kind_of_the_corpus(subject, kind):
    corpus = list(range(9)) if kind is list else kind(9)

    found = subject.shard(corpus, 1, 2)

    assert type(found) is type(corpus)
    assert list(found) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("index", [-1, 3, True, None, "1"])
def test_a_worker_that_there_is_not_is_refused(subject, index):
    with pytest.raises(ValueError, match="give 0 to 2"):
        subject.shard(range(100), index, 3)


@pytest.mark.parametrize("num_workers", [0, -1, True, 2.0, None])
def test_a_number_of_workers_that_is_none_is_refused(subject, num_workers):
    with pytest.raises(ValueError, match="num_workers is"):
        subject.shard(range(100), 0, num_workers)


@pytest.mark.parametrize("num_chars", [0, 1, 3])
def test_fewer_targets_than_workers_are_refused(subject, num_chars):
    with pytest.raises(ValueError, match=f"{num_chars} characters for 3 workers"):
        subject.shard(range(num_chars), 0, 3)


# --- flat_gradients ---


def test_what_backward_writes_stands_in_the_buffer_in_order(subject):
    _, params = new_params()
    flat = subject.flat_gradients(params)

    for factor in (1, 3):  # the second time nothing is left of the first
        with autograd.record():
            loss = sum((factor * k * param * param).sum() for k, param in enumerate(params, start=1))
        loss.backward()

        expected = [2 * factor * k * param.asnumpy().reshape(-1) for k, param in enumerate(params, start=1)]
        np.testing.assert_allclose(flat.asnumpy(), np.concatenate(expected), rtol=1e-6)


def test_what_is_written_to_the_buffer_is_in_the_gradients(subject):
    _, params = new_params()
    flat = subject.flat_gradients(params, spare=2)

    flat[:] = nd.arange(flat.size)

    ends = np.cumsum([param.size for param in params])
    assert flat.shape == (ends[-1] + 2,)
    for param, gradient, end in zip(params, gradients(params), ends):
        assert (gradient == np.arange(end - param.size, end).reshape(param.shape)).all()


def test_a_new_buffer_is_zero_and_of_float32(subject):
    flat = subject.flat_gradients(new_params()[1], spare=3)

    assert flat.dtype == np.float32
    assert not flat.asnumpy().any()


def test_parameters_without_gradients_are_refused(subject):
    with pytest.raises(ValueError, match="parameter 1 has no gradient"):
        subject.flat_gradients([new_params()[1][0], nd.ones(3)])


# --- what travels apart ---


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_parameter_is_in_one_group_and_the_first_layers_rows_are_apart(cell, num_layers):
    params = get_network(cell, num_layers).get_params(HIDDEN, HIDDEN, CPU)  # all matrices have one shape
    names = {id(param): name for name, param in params._asdict().items()}

    groups = {kind: [names[id(param)] for param in each] for kind, each in dist.group(params).items()}

    assert sorted(itertools.chain(*groups.values())) == sorted(params._fields)
    assert groups["output"] == ["W_hy", "b_y"]
    assert groups["tables"] == [f"W_x{gate}" for gate in {"rnn": "h", "gru": "zrh", "lstm": "ifoc"}[cell]]


def test_tied_embeddings_are_not_taken_for_rows_of_characters():
    params = d2lrnn.get_tied_params(VOCAB, HIDDEN, CPU)

    groups = dist.group(params)

    assert [len(each) for each in groups.values()] == [1, len(params) - 1]
    assert groups["output"][0] is params.b_y


def test_each_group_has_a_buffer_and_that_of_rows_is_told_what_was_read(subject):
    (network, params), batch, told = new_params("lstm"), new_batch(ROWS, "lstm"), {}

    class Listener(Neighbours):
        def add_up(self, rows, out, name="", read=None):
            told[name] = out.shape, read
            super().add_up(rows, out, name, read)

    listener = Listener(0)
    subject.Replica(network, params, listener).learn(*batch, params)

    tables = 4, VOCAB, HIDDEN
    assert {name: shape for name, (shape, _) in told.items()} == {
        "tables": tables,
        "output": ((HIDDEN + 1) * VOCAB,),
        "others": (4 * (HIDDEN + 1) * HIDDEN + 4,),
    }
    assert told["tables"][1] is batch[0]
    assert (told["output"][1], told["others"][1]) == (None, None)
    count = ROWS * STEPS
    for name, param in zip(("W_xi", "W_xf", "W_xo", "W_xc"), listener.said["tables"].asnumpy() / count):
        np.testing.assert_allclose(param, getattr(params, name).grad.asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("dropped", [0.0, 0.5])
def test_rows_of_what_was_not_read_are_positive_zeros(subject, cell, dropped):
    network, how = get_network(cell), Regularisers(chars=dropped, weights=dropped)
    params = network.get_params(VOCAB, HIDDEN, CPU)
    tables, state = dist.group(params)["tables"], network.init_state(ROWS, HIDDEN, CPU)
    subject.flat_gradients(tables)
    for read in ([0, 1, 2], [3, 1, 3]):  # of the first batch nothing is left
        data = nd.array([read] * ROWS, CPU, "int32")
        network.learn(data, data, state, params, how)

        for table in tables:
            unread = np.delete(table.grad.asnumpy(), read, axis=0)
            assert unread.tobytes() == bytes(unread.nbytes)  # the server is not asked for them


# --- InTurn ---


def test_rows_are_added_in_the_order_of_the_workers(subject):
    rows = [nd.array(row) for row in ([1e8, 1e8, 1], [1, -1e8, 1e8], [-1e8, 1, -1e8])]
    before, out = bits(rows), nd.full(3, 7)

    subject.InTurn(3).add_up(rows, out)

    assert out.asnumpy().tolist() == [0, 1, 0]  # float32 has no 100,000,001
    assert bits(rows) == before


def test_all_shards_are_in_this_process(subject):
    assert list(subject.InTurn(3).shards) == [0, 1, 2]
    assert subject.InTurn(3).num_workers == 3


@pytest.mark.parametrize("num_workers", [0, -1, True, 2.0, None])
def test_no_workers_can_take_no_turns(subject, num_workers):
    with pytest.raises(ValueError, match="num_workers is"):
        subject.InTurn(num_workers)


# --- Replica ---


@pytest.mark.parametrize("cell", BOOK)
@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_loss_gradients_and_state_are_those_of_the_book_on_all_rows(subject, cell, num_workers):
    network, params = new_params(cell)
    data, label, state = new_batch(num_workers * ROWS, cell)
    with autograd.record():
        outputs, expected_state = BOOK[cell](get_inputs(data, VOCAB), state, params)
        expected = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    expected.backward()
    expected_gradients = gradients(params)

    replica = subject.Replica(network, params, subject.InTurn(num_workers))
    for _ in range(2):  # nothing is left in the buffer of the batch before
        loss, new_state = replica.learn(data, label, state, params)

    found = [loss.asnumpy(), *(S.asnumpy() for S in new_state), *gradients(params)]
    wanted = [expected.asnumpy(), *(S.asnumpy() for S in expected_state), *expected_gradients]
    assert len(found) == len(wanted)
    for this, other in zip(found, wanted):
        np.testing.assert_allclose(this, other, rtol=1e-4, atol=1e-6)


class ByHand:
    """What a Replica does, in numpy."""

    train_batch = d2lrnn.Replica.train_batch

    def __init__(self, network, num_workers):
        self.network, self.measure, self.num_workers = network, network.measure, num_workers

    def learn(self, data, label, state, params):
        count, sums, states = np.float32(ROWS * STEPS), None, []
        for k in range(self.num_workers):
            mine = slice(k * ROWS, (k + 1) * ROWS)
            loss, new = self.network.learn(data[mine], label[mine], tuple(S[mine] for S in state), params)
            row = [count * array for array in (loss.asnumpy(), *gradients(params))]
            sums = row if sums is None else [a + b for a, b in zip(sums, row)]
            states.append([S.asnumpy() for S in new])
        loss, *means = [total / (self.num_workers * count) for total in sums]
        for param, mean in zip(params, means):
            param.grad[:] = mean
        return nd.array(loss), tuple(nd.array(np.concatenate(each)) for each in zip(*states))


@pytest.mark.parametrize("cell", BOOK)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("theta", [0.05, 1e3])
def test_after_several_steps_every_bit_is_that_of_a_loop_by_hand(subject, cell, optimizer, theta):
    runs = []
    for make in (lambda network, params: subject.Replica(network, params, subject.InTurn(3)), ByHand):
        network, params = new_params(cell)
        learner = make(network, params) if make is not ByHand else ByHand(network, 3)
        stepping, nats = Optimizer(optimizer, params, 0.1), []
        state = network.init_state(3 * ROWS, HIDDEN, CPU)
        for step in range(4):
            batch = new_batch(3 * ROWS, seed=step)[:2]
            loss, state = learner.train_batch(params, state, batch, stepping, theta)
            nats.append(loss)
        slots = [S for pair in stepping.states for S in pair]
        runs.append((nats, bits(params), bits(slots), bits(state)))

    assert runs[0] == runs[1]


def test_a_worker_with_more_characters_counts_more(subject):
    network, params = new_params()
    data, label, state = new_batch(5)
    first = Neighbours(0)
    subject.Replica(network, params, first).learn(data[:1], label[:1], (state[0][:1],), params)
    others = (first.said,)
    loss, _ = subject.Replica(network, params, Neighbours(1, others)).learn(
        data[1:], label[1:], (state[0][1:],), params
    )

    found = [loss.asnumpy(), *gradients(params)]
    expected, _ = network.learn(data, label, state, params)
    for this, other in zip(found, [expected.asnumpy(), *gradients(params)]):
        np.testing.assert_allclose(this, other, rtol=1e-4, atol=1e-6)


def test_a_loss_that_was_returned_stays_as_it_is(subject):
    network, params = new_params()
    replica = subject.Replica(network, params, subject.InTurn(2))
    data, label, state = new_batch(2 * ROWS)
    loss, _ = replica.learn(data, label, state, params)
    before = loss.asscalar()

    replica.learn(label, data, state, params)

    assert loss.asscalar() == before


def test_a_loss_beyond_float32_is_measured_as_the_mean_of_all_shards(subject):
    network, params = new_params()
    data, label, (H,) = new_batch(2 * ROWS)
    params.W_hy[:] *= 200  # some probabilities are 0 in float32
    alone, _ = network.train_batch(params, (H,), (data, label), Optimizer("sgd", params, 1e-9), 1e9)
    in_turn = subject.Replica(network, params, subject.InTurn(2))
    others = [[network.measure(data[ROWS:], label[ROWS:], (H[ROWS:],), params), data[ROWS:].size]]
    one = subject.Replica(network, params, Neighbours(0, others))

    assert network.learn(data, label, (H,), params)[0].asscalar() == np.inf
    nats, _ = in_turn.train_batch(params, (H,), (data, label), Optimizer("sgd", params, 1e-9), 1e9)
    assert nats == pytest.approx(alone, rel=1e-4)
    assert one.measure(data[:ROWS], label[:ROWS], (H[:ROWS],), params) == pytest.approx(alone, rel=1e-4)


def test_nan_in_one_shard_ends_the_training_and_leaves_the_parameters(subject):
    network, params = new_params()
    replica = subject.Replica(network, params, subject.InTurn(2))
    data, label, (H,) = new_batch(2 * ROWS)
    H[-1, -1] = np.nan
    optimizer, before = Optimizer("adam", params, 0.1), bits(params)

    with pytest.raises(FloatingPointError):
        replica.train_batch(params, (H,), (data, label), optimizer, 1.0)

    assert bits(params) == before
    assert optimizer.t == 0


@pytest.mark.parametrize("workers", ["in turn", "one of three"])
def test_each_worker_is_prepared_right_before_it_learns(subject, workers):
    (network, params), events = new_params(), []

    class Spied:
        rnn, init_state = network.rnn, network.init_state

        def learn(self, data, *others):
            events.append(data.asnumpy().tolist())
            return network.learn(data, *others)

    group = subject.InTurn(2) if workers == "in turn" else Neighbours(2)
    data, label, state = new_batch(len(group.shards) * ROWS)
    subject.Replica(Spied(), params, group, events.append).learn(data, label, state, params)

    rows = data.asnumpy().tolist()
    expected = [0, rows[:ROWS], 1, rows[ROWS:]] if workers == "in turn" else [2, rows]
    assert events == expected


def test_a_replica_is_taken_for_its_network(subject):
    network, params = new_params("lstm")
    replica = subject.Replica(network, params, subject.InTurn(2))

    assert replica.rnn == network.rnn
    assert replica.init_state == network.init_state


def test_a_replica_of_parameters_without_gradients_is_refused(subject):
    with pytest.raises(ValueError, match="parameter 0 has no gradient"):
        subject.Replica(new_params()[0], [nd.ones(3)], subject.InTurn(2))


# --- agree ---


@pytest.mark.parametrize("asked", [(True, False), (False, True), (True, True)], ids=str)
def test_what_one_asks_for_all_hear_with_the_next_batch(subject, asked):
    (network, params), batch = new_params(), new_batch(ROWS)
    said, heard = (), []
    for index in range(3):
        group = Neighbours(index, said)
        replica = subject.Replica(network, params, group)
        heard.append(replica.agree(*(asked if index == 1 else (False, False))))
        replica.learn(*batch, params)
        said += (group.said,)
    heard.append(replica.agree(False, False))

    assert heard == [(False, False)] * 3 + [asked]


def test_what_was_heard_is_not_heard_again(subject):
    (network, params), batch = new_params(), new_batch(ROWS)
    replica = subject.Replica(network, params, Neighbours(0))

    answers = []
    for save in (True, True, False, False):  # until it has saved it goes on asking
        replica.learn(*batch, params)
        answers.append(replica.agree(save, False))

    assert answers == [(False, False), (True, False), (False, False), (False, False)]


# --- Workers: what is refused before anything is sent ---


class Features:
    def __init__(self, *enabled):
        self.is_enabled = enabled.__contains__


def test_a_build_without_parameter_server_is_refused(subject, monkeypatch):
    monkeypatch.setattr(mx.runtime, "Features", Features)

    with pytest.raises(ValueError, match="this build of MXNet has no parameter server"):
        subject.Workers(0, 2)


@pytest.mark.parametrize(("kind", "count"), [("dist_sync", 3), ("local", 2)])
def test_a_store_of_another_kind_or_size_is_refused(subject, monkeypatch, kind, count):
    local = mx.kv.create("local")  # which MXNet takes every name for that it does not know
    store = SimpleNamespace(type=kind, num_workers=count, handle=local.handle)
    monkeypatch.setattr(mx.runtime, "Features", lambda: Features("DIST_KVSTORE"))
    monkeypatch.setattr(mx.kv, "create", lambda name: store)

    with pytest.raises(ValueError, match=f"2 workers are wanted, and the store has {count}"):
        subject.Workers(0, 2)
