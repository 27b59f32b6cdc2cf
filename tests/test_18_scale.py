"""Lesson 18: Kneser-Ney beside a plain dictionary, and probabilities of a network beside its perplexity."""

import json
import math
from collections import Counter, defaultdict
from functools import partial

import d2lrnn

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

CPU = mx.cpu()
ABABC = [0, 1, 0, 1, 2]  # a b a b c, of a vocabulary of four: d never occurs
BAD_DISCOUNTS = ([0.5], [0.5, 0.0], [0.5, 1.1], [0.5, [0.5, 2.1, 1]], [0.5, [0.5, 1, 3.1]])


def random_indices(length, vocab_size, seed=0):
    return np.random.default_rng(seed).integers(vocab_size, size=length).tolist()


class Dictionaries:
    """Kneser-Ney as one would write it down: sets of what stands before and behind a string."""

    def __init__(self, indices, vocab_size, order, discounts):
        self.vocab_size, self.order, self.discounts = vocab_size, order, discounts
        self.counts = defaultdict(Counter)
        before = defaultdict(set)
        for n in range(1, order + 1):
            for i in range(len(indices) - n + 1):
                string = tuple(indices[i : i + n])
                before[string].add(indices[i - 1] if i else "beginning")
                if n == order:
                    self.counts[string[:-1]][string[-1]] += 1
        for string, chars in before.items():
            if len(string) < order:
                self.counts[string[:-1]][string[-1]] = len(chars)

    def probability(self, char, context):
        p = 1 / self.vocab_size
        for n in range(1, min(self.order, len(context) + 1) + 1):
            followers = self.counts.get(tuple(context[len(context) - n + 1 :]))
            if not followers:
                return p
            D = [0, *self.discounts[n - 1]]
            saved = sum(D[min(count, 3)] for count in followers.values())
            kept = followers[char] - D[min(followers[char], 3)]
            p = (kept + saved * p) / sum(followers.values())
        return p


def test_the_bigram_is_as_worked_by_hand(subject):
    model = subject.KneserNey(ABABC, 4, 2, discounts=[0.5, 0.6])

    # a stands after b and the beginning, b after a, c after b: 2, 1 and 1 of 4; 3 * 0.5 are shared out
    unigram = [(1.5 + 1.5 / 4) / 4, (0.5 + 1.5 / 4) / 4, (0.5 + 1.5 / 4) / 4, (1.5 / 4) / 4]
    assert model.distribution() == pytest.approx(unigram)
    # after a (twice): b twice. After b (twice): a once, c once, and 2 * 0.6 are shared out
    assert model.probability(1, [0]) == pytest.approx((1.4 + 0.6 * unigram[1]) / 2)
    after_b = [(0.4 + 1.2 * unigram[0]) / 2, 0.6 * unigram[1], (0.4 + 1.2 * unigram[2]) / 2, 0.6 * unigram[3]]
    assert model.distribution([1]) == pytest.approx(after_b)
    # after c and d nothing has been seen
    assert model.probability(0, [2]) == model.probability(0, [3]) == pytest.approx(unigram[0])


def test_the_longest_strings_are_counted_as_often_as_they_occur(subject):
    model = subject.KneserNey(ABABC, 4, 1, discounts=[0.5])

    assert model.distribution() == pytest.approx([1.875 / 5, 1.875 / 5, 0.875 / 5, 0.375 / 5])


def test_a_character_of_a_single_phrase_is_expected_nowhere_else(subject):
    text = [0, 1] * 20 + [2, 3, 4, 3, 2, 4]  # 1 is frequent, but always after 0
    model = subject.KneserNey(text, 6, 2)

    assert model.probability(1, [5]) < model.probability(3, [5])
    assert model.probability(1, [0]) > 0.9


@given(
    indices=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    order=st.integers(1, 5),
    asked=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    first=st.floats(0.1, 1),
)
def test_it_says_what_a_plain_dictionary_says(subject, indices, order, asked, first):
    discounts = [[first, 2 * first, 3 * first], *[[0.7, 0.7, 0.7]] * 4][:order]
    model = subject.KneserNey(indices, 5, order, discounts=discounts)
    oracle = Dictionaries(indices, 5, order, discounts)

    wanted = [oracle.probability(char, asked[:i]) for i, char in enumerate(asked)]

    for start in {0, 1, len(asked) // 2}:
        assert model.probabilities(asked, start) == pytest.approx(wanted[start:])
    assert model.probability(asked[-1], asked[:-1]) == pytest.approx(wanted[-1])
    assert model.distribution(asked) == pytest.approx([oracle.probability(c, asked) for c in range(5)])


@given(
    indices=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    order=st.integers(1, 4),
    modified=st.booleans(),
    context=st.lists(st.integers(0, 5), max_size=5),
)
def test_probabilities_are_positive_and_sum_to_one(subject, indices, order, modified, context):
    p = subject.KneserNey(indices, 6, order, modified=modified).distribution(context)

    assert p.min() > 0
    assert p.sum() == pytest.approx(1)


def test_discounts_come_from_the_counts_of_counts(subject):
    counts = np.repeat([1, 2, 3, 4, 9], [10, 4, 3, 2, 1])

    assert subject.estimate_discounts(counts) == pytest.approx([10 / 18] * 3)
    Y = 10 / 18
    three = [1 - 2 * Y * 4 / 10, 2 - 3 * Y * 3 / 4, 3 - 4 * Y * 2 / 3]
    assert subject.estimate_discounts(counts, modified=True) == pytest.approx(three)


@pytest.mark.parametrize("counts", [[5, 6], [1, 1, 1], [2, 2], [3]])
def test_too_few_strings_give_the_usual_discount(subject, counts):
    for modified in (False, True):
        assert subject.estimate_discounts(np.array(counts), modified=modified) == pytest.approx([0.75] * 3)


def test_an_estimate_that_would_leave_nothing_is_not_taken(subject):
    counts = np.repeat([1, 2, 3, 4], [2, 1, 50, 100])  # 2 - 3 Y 50 and 3 - 4 Y 2 are below 0

    assert subject.estimate_discounts(counts, modified=True) == pytest.approx([0.5] * 3)


def test_each_order_estimates_its_own_discount(subject):
    model = subject.KneserNey(random_indices(900, 12), 12, 3, modified=True)

    assert np.shape(model.discounts) == (3, 3)
    assert len({tuple(D) for D in model.discounts}) == 3


def test_rows_are_read_one_by_one(subject):
    model = subject.KneserNey(random_indices(90, 4), 4, 3)
    rows = np.array([random_indices(7, 4, seed) for seed in range(3)])

    assert model.probabilities(rows) == pytest.approx(np.stack([model.probabilities(row) for row in rows]))


@pytest.mark.parametrize("discounts", BAD_DISCOUNTS)
def test_discounts_that_are_none_are_refused(subject, discounts):
    with pytest.raises(ValueError, match="give 2"):
        subject.KneserNey(ABABC, 4, 2, discounts=discounts)


def test_bad_models_are_refused(subject):
    with pytest.raises(ValueError, match="order is 0"):
        subject.KneserNey(ABABC, 4, 0)
    with pytest.raises(IndexError, match="index 2"):
        subject.KneserNey(ABABC, 2, 2)
    with pytest.raises(ValueError, match="hold nothing"):
        subject.KneserNey([], 4, 2)


def test_a_long_text_takes_no_long_time(subject):  # a minute for 1.6 million characters would be 4 s here
    indices = random_indices(100_000, 3000)

    model = subject.KneserNey(indices, 3000, 5)

    assert subject.mean_perplexity(model.probabilities(indices)) < 3000


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_targets_and_their_mean_are_those_of_evaluate(subject, cell, batch_size):
    indices, network = random_indices(47, 5), d2lrnn.get_network(cell)
    mx.random.seed(0)
    params = network.get_params(5, 8, CPU, scale=0.5)
    rows = subject.cut_rows(indices, batch_size, 5)

    how = network.rnn, params, network.init_state
    p = subject.network_probabilities(*how, rows, 4)
    fast = subject.network_probabilities(*how, rows, 9, get_inputs=d2lrnn.get_rows)

    assert p.shape == (len(rows), rows.shape[1] - 1) and p.dtype == float
    assert fast == pytest.approx(p, rel=1e-4)
    wanted = d2lrnn.evaluate(*how, indices, batch_size, 4, CPU)
    assert subject.mean_perplexity(p) == pytest.approx(wanted, rel=1e-4)


def test_each_probability_is_that_of_its_own_target(subject):
    params = d2lrnn.get_params(3, 2, CPU)
    params.b_y[:] = mx.nd.array(np.log([0.5, 0.3, 0.2]))
    params.W_hy[:] = 0
    rows = np.array([[0, 1, 2, 0], [2, 2, 1, 0]])

    p = subject.network_probabilities(d2lrnn.rnn, params, d2lrnn.init_rnn_state, rows, 2)

    assert p == pytest.approx(np.array([[0.3, 0.2, 0.5], [0.2, 0.3, 0.5]]), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_counts_and_networks_are_measured_on_the_same_targets(subject, batch_size):
    train, heldout = random_indices(80, 5), random_indices(47, 5, seed=1)
    model = subject.KneserNey(train, 5, 3)

    p = model.probabilities(subject.cut_rows(heldout, batch_size, 5))

    assert subject.mean_perplexity(p) == pytest.approx(d2lrnn.evaluate_counts(model, heldout, batch_size))


def test_too_little_to_measure_is_refused(subject):
    with pytest.raises(ValueError, match="1 characters to measure"):
        subject.cut_rows([1], 2, 3)


def test_perplexity_is_the_exponential_of_the_mean_of_those_that_count(subject):
    p = np.array([[0.5, 0.25], [1e-9, 0.125]])

    assert subject.mean_perplexity(p[0]) == pytest.approx(math.sqrt(8))
    assert subject.mean_perplexity(p, p > 1e-6) == pytest.approx(4)


def test_results_are_found_by_their_settings(subject, tmp_path, monkeypatch):
    entries = [
        {"key": {"study": "a", "seed": seed}, "result": {"perplexity": 90 + seed}, "seconds": 1.5}
        for seed in (0, 1)
    ]
    file = tmp_path / "heldout.json"
    file.write_text(json.dumps(entries))
    monkeypatch.setitem(subject.load_results.__globals__, "shipped", lambda name: tmp_path / name[5:])

    found = partial(subject.load_results, study="a")

    assert [each["perplexity"] for each in found()] == [90, 91]
    assert found(seed=1) == [{"study": "a", "seed": 1, "perplexity": 91, "seconds": 1.5}]
    assert found(cell="rnn") == subject.load_results(study="b") == []


@pytest.mark.slow
def test_kneser_ney_on_song_lyrics_is_what_is_published_in_the_chapter(subject):
    text = d2lrnn.load_corpus("songci")
    vocab, split = d2lrnn.Vocab(text), len(text) - int(len(text) * 0.1)
    train, heldout = vocab.to_indices(text[:split]), vocab.to_indices(text[split:])
    known = np.bincount(train, minlength=len(vocab))[heldout[1:]] > 0

    p = subject.KneserNey(train, len(vocab), 5).probabilities(heldout)

    assert (~known).sum() == 212
    assert subject.mean_perplexity(p, known) == pytest.approx(122.2, abs=0.1)
