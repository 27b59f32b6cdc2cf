"""Lesson 20: counts that go on, a network that goes on training, a memory, a pointer, a gate; all causal."""

import itertools
import math
from collections import Counter, defaultdict

import d2lrnn

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd

CPU = mx.cpu()
V, HIDDEN = 5, 4
LAW = list(itertools.product(range(3), repeat=4))  # all texts of four characters
DISCOUNTS = (0.7, 0.6, 0.5)


def random_text(length, vocab_size=V, seed=0):
    return np.random.default_rng(seed).integers(vocab_size, size=length).tolist()


def new_network(cell="lstm", layers=1, vocab_size=V):
    mx.random.seed(3)
    network = d2lrnn.get_network(cell, layers)
    params = network.get_params(vocab_size, HIDDEN, CPU, scale=0.6)
    params.b_y[:] = nd.random.normal(shape=params.b_y.shape)
    return network, params


def new_model(subject, name, vocab_size=V):
    """A model of each kind; all: every kind behind the gate, as chapter 20 builds it."""
    if name == "counts":
        return subject.OnlineKneserNey(vocab_size, DISCOUNTS)
    if name == "match":
        return subject.LongestMatch(vocab_size)
    network = subject.DynamicNetwork(*new_network(vocab_size=vocab_size), lr=0.05, num_steps=2)
    if name == "network":
        return network
    others = new_model(subject, "counts", vocab_size), new_model(subject, "match", vocab_size)
    return subject.AdaptiveModel([*others, network, subject.NeuralCache(network)], lr=0.1, ctx=CPU)


def predictions(model, text):
    """P of every character before each of text is read, and after the last."""
    found = []
    for char in text:
        found.append(model.predict())
        model.read(char)
    return np.array([*found, model.predict()])


# --- counts ---


def kneser_ney(text, vocab_size, discounts):
    """P of what follows text, from dictionaries: for each string the set of what stood before it."""
    order = len(discounts)
    before = defaultdict(set)
    times = Counter()
    for i in range(len(text)):
        for n in range(order):
            if i >= n:
                string = tuple(text[i - n : i + 1])
                before[string].add(text[i - n - 1] if i > n else None)
                times[string] += 1
    p = [1 / vocab_size] * vocab_size
    for n, D in enumerate(discounts[: len(text) + 1]):
        h = tuple(text[len(text) - n :])
        counts = {
            string[-1]: times[string] if n == order - 1 else len(before[string])
            for string in before
            if len(string) == n + 1 and string[:-1] == h
        }
        c = sum(counts.values())
        if c:
            p = [(max(counts.get(x, 0) - D, 0) + D * len(counts) * p[x]) / c for x in range(vocab_size)]
    return p


@pytest.mark.parametrize("discounts", [(0.5,), (0.75, 0.8), DISCOUNTS, (0.75, 0.8, 0.9, 0.95)])
def test_counts_are_those_of_the_definition_at_every_place(subject, discounts):
    text = random_text(40, 3) + [3]

    P = predictions(subject.OnlineKneserNey(V, discounts), text)

    for t, p in enumerate(P):
        assert p == pytest.approx(kneser_ney(text[:t], V, discounts)), t


def test_a_bigram_is_as_worked_by_hand(subject):
    model = subject.OnlineKneserNey(4, (0.75, 0.8))
    for char in [0, 1, 0, 2]:
        model.read(char)

    # a begins the text and follows b, b and c follow a: 2 + 1 + 1, and 3 * 0.75 of 4 is shared by all four
    shared = 0.75 * 3 / 4 / 4
    assert model.predict() == pytest.approx([1.25 / 4 + shared, 0.25 / 4 + shared, 0.25 / 4 + shared, shared])
    model.read(0)  # a follows c, too: 3 + 1 + 1; and after a, b and c came once each
    shared = 0.75 * 3 / 5 / 4
    unigram = [2.25 / 5 + shared, 0.25 / 5 + shared, 0.25 / 5 + shared, shared]
    after_a = [0.8 * p + kept for p, kept in zip(unigram, (0, 0.2 / 2, 0.2 / 2, 0))]
    assert model.predict() == pytest.approx(after_a)
    model.read(1)  # b after a is not new: it counts there, and not below
    model.read(3)
    assert model.predict()[1] == pytest.approx(0.25 / 6 + 0.75 * 4 / 6 / 4)


# --- a network ---


def gradients(network, params, state, chars):
    """Of the mean loss on chars[1:], and the state after chars[:-1], by lesson 15 and autograd."""
    copies = [param.copy() for param in params]
    for param in copies:
        param.attach_grad()
    chars = nd.array(chars, CPU, "int32")
    with autograd.record():
        (Y,), state = network.rnn(chars[:-1].reshape((-1, 1)), state, copies)
        loss = d2lrnn.cross_entropy(Y, chars[1:])
    loss.backward()
    return [param.grad.asnumpy() for param in copies], state


@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("gru", 1), ("lstm", 2)])
def test_a_network_moves_by_its_gradient_over_rms_and_carries_its_state(subject, cell, layers):
    network, params = new_network(cell, layers)
    given = [param.asnumpy() for param in params]
    text, lr = random_text(8), 0.03
    model = subject.DynamicNetwork(network, params, lr=lr, num_steps=3)

    P = predictions(model, text)

    state, moved, squares = network.init_state(1, HIDDEN, CPU), list(given), [0.0] * len(given)
    for k, start in enumerate((0, 3, 6), 1):
        X = nd.array([[char] for char in text[start : start + 3]], CPU, "int32")
        (Y,), _ = network.rnn(X, state, [nd.array(W) for W in moved])
        wanted = nd.softmax(Y).asnumpy()
        np.testing.assert_allclose(P[start + 1 : start + 4], wanted, rtol=1e-4, atol=1e-6)
        if start < 6:
            g, state = gradients(network, [nd.array(W) for W in moved], state, text[start : start + 4])
            squares = [old + each**2 for old, each in zip(squares, g)]
            RMS = [np.sqrt(each / k) for each in squares]
            moved = [W - lr * each / (R + R.mean() + 1e-8) for W, each, R in zip(moved, g, RMS)]
    for param, W in zip(params, given):
        np.testing.assert_array_equal(param.asnumpy(), W, "the parameters that were given moved")


def test_with_lr_0_it_predicts_as_the_network_does_and_collects_what_later_steps_use(subject):
    network, params = new_network()
    text = random_text(40)
    model = subject.DynamicNetwork(network, params, lr=0.0)

    nats = subject.predict_and_read(model, text)

    wanted = d2lrnn.evaluate(
        network.rnn, params, network.init_state, text, 1, 7, CPU, get_inputs=d2lrnn.get_rows
    )
    assert math.exp(nats[1:].mean()) == pytest.approx(wanted, rel=1e-4)
    before = [param.copy() for param in model.params]
    model.lr = 0.002
    for char in random_text(6, seed=1):
        model.read(char)
    steps = [abs((W - old).asnumpy()).max() for W, old in zip(model.params, before)]
    assert 0 < max(steps) < 0.02  # a first step would be 0.002 everywhere, also where gradients were larger


def test_a_network_learns_what_it_reads(subject):
    still, moving = (subject.DynamicNetwork(*new_network(), lr=lr) for lr in (0.0, 0.05))
    text = [0, 1, 2, 3, 4] * 30

    first, second = (subject.predict_and_read(model, text).mean() for model in (still, moving))

    assert second < 0.8 * first


# --- a memory ---


@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("lstm", 2)])
def test_the_cache_weighs_what_followed_by_the_cosine(subject, cell, layers):
    network, params = new_network(cell, layers)
    text, window, theta = random_text(14), 6, 3.0
    model = subject.DynamicNetwork(network, params, lr=0.0)
    cache = subject.NeuralCache(model, window=window, theta=theta)
    top = -2 if cell == "lstm" else -1

    states, found = [model.state[top].asnumpy()[0]], []
    for char in text:
        found.append(cache.predict())
        cache.read(char)
        model.read(char)
        states.append(model.state[top].asnumpy()[0])

    keys = [H / max(np.linalg.norm(H), 1e-10) for H in states]
    for t in range(1, len(text)):
        wanted = np.zeros(V)
        for j in range(max(0, t - window), t):
            wanted[text[j]] += math.exp(theta * keys[t] @ keys[j])
        assert found[t] == pytest.approx(wanted / wanted.sum(), rel=1e-4, abs=1e-6), t


# --- a pointer ---


def longest_match(text):
    """(length, what followed) of the last of the longest matches, place by place; None: there is none."""
    best = None
    for place in range(1, len(text)):
        length = 0
        while length < place and text[place - 1 - length] == text[len(text) - 1 - length]:
            length += 1
        if length and (best is None or length >= best[0]):
            best = length, text[place]
    return best


def test_a_match_is_the_last_of_the_longest(subject):
    text = random_text(60, 2) + random_text(20, 4, seed=1)
    model = subject.LongestMatch(V)

    for t, p in enumerate(predictions(model, text)):
        best = longest_match(text[:t])
        wanted = np.full(V, 1 / V) if best is None else np.eye(V)[best[1]]
        assert p == pytest.approx(wanted), t
    assert model.longest == longest_match(text)[0]


# --- a gate ---


class Fixed:
    """A model that always says the same, perhaps with a match that grows."""

    def __init__(self, p, longest=None):
        self.p, self.vocab_size, self.chars = np.array(p), len(p), []
        if longest is not None:
            self.longest = longest

    def predict(self):
        return self.p

    def read(self, char):
        self.chars.append(char)
        if hasattr(self, "longest"):
            self.longest += 5


def features(models, last, recent):
    """f as the chapter defines it."""
    longest = max(getattr(model, "longest", 0) for model in models)
    return [1.0, *last, *recent, *np.eye(16)[min(longest, 15)]]


def test_the_gate_begins_with_the_mean_and_climbs_the_gradient_of_log_p(subject):
    models = [Fixed([0.7, 0.1, 0.2], longest=3), Fixed([0.2, 0.2, 0.6]), Fixed([1.0, 0.0, 0.0], longest=1)]
    model = subject.AdaptiveModel(models, lr=0.05, ctx=CPU)
    each, text, last, recent = np.array([m.p for m in models]), [2, 0, 0, 1, 2, 2], [0.0] * 3, [0.0] * 3
    W, states = nd.zeros((3, 1 + 6 + 16), CPU), None
    W.attach_grad()
    states = d2lrnn.init_adam_states([W])

    for t, char in enumerate(text, 1):
        f = nd.array([features(models, last, recent)], CPU)
        with autograd.record():
            P = nd.dot(nd.softmax(nd.dot(f, W.T)), nd.array(each))
            loss = -nd.log(P[0, char])
        assert model.predict() == pytest.approx(P.asnumpy()[0], rel=1e-4)
        model.read(char)
        loss.backward()
        d2lrnn.adam([W], states, 0.05, t)
        last = [math.log(max(p, 0.001)) / 7 for p in each[:, char]]
        recent = [0.9 * mean + 0.1 * new for mean, new in zip(recent, last)]
    assert all(m.chars == text for m in models)
    assert model.predict() != pytest.approx(each.mean(axis=0), rel=0.05)


def test_the_gate_learns_whom_to_believe_when(subject):
    """The pointer is right where the text repeats itself, and wrong elsewhere."""
    refrain = random_text(20, 12, seed=5)
    text = [char for k in range(7) for char in [*random_text(15, 12, seed=k), *refrain]]
    model = subject.AdaptiveModel([subject.LongestMatch(12), Fixed(np.full(12, 1 / 12))], lr=0.1, ctx=CPU)

    weights = []
    for char in text:
        model.predict()
        weights.append((model.models[0].longest, model.g[0]))
        model.read(char)

    late = weights[len(weights) // 2 :]
    sure, unsure = (np.mean([g for n, g in late if low <= n < high]) for low, high in ((4, 99), (0, 2)))
    assert sure > 0.8 > unsure + 0.1


# --- what holds for all ---

every_kind = pytest.mark.parametrize("name", ["counts", "match", "network", "all"])


@every_kind
def test_predictions_are_probabilities(subject, name):
    P = predictions(new_model(subject, name), random_text(30))

    assert P.shape == (31, V) and P.dtype == np.float64
    assert P.min() >= 0
    assert P.sum(axis=1) == pytest.approx(np.ones(31), abs=1e-6)


@every_kind
def test_before_anything_is_read_all_characters_are_alike(subject, name):
    assert new_model(subject, name).predict() == pytest.approx(np.full(V, 1 / V))


@pytest.mark.parametrize("t", [1, 7])
@every_kind
def test_no_probability_depends_on_what_comes_later(subject, name, t):
    text = random_text(20)
    other = text[:t] + [(char + 1) % V for char in text[t:]]
    permuted = text[:t] + text[:t:-1] + text[t : t + 1]

    first, second, third = (predictions(new_model(subject, name), each) for each in (text, other, permuted))

    assert (first[: t + 1] == second[: t + 1]).all() and (first[: t + 1] == third[: t + 1]).all()
    assert not (first[t + 1 :] == second[t + 1 :]).all(), "what was read changes nothing"


@every_kind
def test_what_is_measured_depends_on_nothing_later_either(subject, name):
    text = random_text(20)
    nats = subject.predict_and_read(new_model(subject, name), text)
    for t in (3, 11):
        other = text[: t + 1] + random_text(20 - t - 1, seed=t)

        assert (subject.predict_and_read(new_model(subject, name), other)[: t + 1] == nats[: t + 1]).all()


@pytest.mark.slow
@every_kind
def test_the_probabilities_of_all_texts_sum_to_one(subject, name):
    """What looks at a character before it is predicted gives all of them too much."""
    total = sum(
        math.exp(-math.fsum(subject.predict_and_read(new_model(subject, name, 3), text))) for text in LAW
    )

    assert total == pytest.approx(1, rel=1e-4)


def test_what_is_measured_is_minus_log_p_in_nats(subject):
    text = random_text(12)
    P = predictions(new_model(subject, "counts"), text)

    nats = subject.predict_and_read(new_model(subject, "counts"), np.array(text))

    assert nats == pytest.approx(-np.log([p[char] for p, char in zip(P, text)]))


def test_what_cannot_be_is_refused(subject):
    for Model in (subject.OnlineKneserNey, subject.LongestMatch):
        with pytest.raises(ValueError, match=r"vocab_size.*0"):
            Model(0)
    with pytest.raises(ValueError, match=r"order.*0"):
        subject.OnlineKneserNey(V, ())
    with pytest.raises(ValueError, match=r"num_steps.*0"):
        subject.DynamicNetwork(*new_network(), num_steps=0)
    with pytest.raises(IndexError, match=f"{V}"):
        subject.predict_and_read(new_model(subject, "counts"), [0, V])
