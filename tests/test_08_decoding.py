"""Lesson 8: the prefix is read once, every choice is fed back in, and chance is what it is said to be."""

import string

import d2lrnn
from d2lrnn import (
    Vocab,
    generate,
    get_lstm_params,
    get_network,
    get_params,
    init_lstm_state,
    init_rnn_state,
    lstm,
    one_hot,
    predict_rnn,
    rnn,
)
from d2lrnn.decoding import Choice, generate_batch, one_hot_writer

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

DIGITS = Vocab(string.digits)
LETTERS = Vocab("abcd")
LOGITS = np.log([0.15, 0.5, 0.1, 0.25])  # of a, b, c, d
NO_PARAMS = (nd.zeros(1),)


def doubling(inputs, state, params):
    """A network that shows what it has read: H <- (2 H + digit) mod 10, and digit H comes next."""
    outputs, (H,) = [], state
    for X in inputs:
        H = (2 * H + X.argmax(axis=1).reshape(-1, 1)) % 10
        outputs.append(one_hot(H[:, 0], 10))
    return outputs, (H,)


def constant(inputs, state, params):
    """A network that answers with params[0], whatever it has read."""
    return [params[0] for _ in inputs], state


def digits(function, prefix, num_chars, rnn=doubling, **options):
    """What function writes with a network that doubles."""
    return function(prefix, num_chars, rnn, NO_PARAMS, init_rnn_state, 1, DIGITS, mx.cpu(), **options)


def letters(subject, num_chars, logits=LOGITS, **options):
    """num_chars letters, drawn with a network that always answers with the same logits."""
    params = (nd.array(logits).reshape(1, -1),)
    text = subject.generate("a", num_chars, constant, params, init_rnn_state, 1, LETTERS, **options)
    assert text[0] == "a" and len(text) == 1 + num_chars
    return text[1:]


@pytest.fixture(params=["predict_rnn", "generate"])
def greedy(subject, request):
    """Either function, made to take the likeliest character."""
    function = getattr(subject, request.param)
    if request.param == "predict_rnn":
        return function
    return lambda *args: function(*args, temperature=0)


# --- what both do ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "continuation"),
    [
        ("1", "1397"),  # H: 1, 2*1+1 = 3, 2*3+3 = 9, 2*9+9 = 27
        ("12", "4268"),  # H: 1, 2*1+2 = 4, 2*4+4 = 12, 2*2+2 = 6, 2*6+6 = 18
        ("407", "3971"),  # H: 4, 2*4+0 = 8, 2*8+7 = 23, then three times the digit before
    ],
)
def test_every_character_of_the_prefix_and_of_the_answer_is_read_once(greedy, prefix, continuation):
    assert digits(greedy, prefix, 4) == prefix + continuation


@pytest.mark.parametrize("num_chars", [0, 1, 2, 30])
def test_exactly_num_chars_characters_follow_the_prefix(greedy, num_chars):
    text = digits(greedy, "31", num_chars)

    assert text.startswith("31") and len(text) == 2 + num_chars


@pytest.mark.parametrize(("prefix", "num_chars", "calls"), [("1", 1, 1), ("123", 0, 2), ("123", 5, 7)])
def test_the_network_is_not_run_once_too_often(greedy, prefix, num_chars, calls):
    shapes = []

    def counted(inputs, state, params):
        shapes.append([X.shape for X in inputs])
        return doubling(inputs, state, params)

    digits(greedy, prefix, num_chars, counted)

    assert shapes == [[(1, 10)]] * calls


@pytest.mark.parametrize(
    ("network", "get", "init"),
    [(rnn, get_params, init_rnn_state), (lstm, get_lstm_params, init_lstm_state)],
    ids=["rnn", "lstm"],
)
def test_each_character_is_the_likeliest_after_all_those_before_it(greedy, network, get, init):
    mx.random.seed(3)
    params = get(10, 8, mx.cpu(), scale=1)

    text = greedy("142", 12, network, params, init, 8, DIGITS, mx.cpu())

    indices = DIGITS.encode(text)
    outputs, _ = network([one_hot([i], 10) for i in indices[:-1]], init(1, 8, mx.cpu()), params)
    assert indices[3:] == [int(Y.asnumpy().argmax()) for Y in outputs[2:]]
    assert len(set(text)) > 2


def test_the_state_starts_for_one_row_on_the_device_of_the_parameters(greedy):
    asked = []

    def init_state(*args):
        asked.append(args)
        return init_rnn_state(*args)

    greedy("1", 1, doubling, NO_PARAMS, init_state, 1, DIGITS)

    assert asked == [(1, 1, NO_PARAMS[0].context)]


@pytest.mark.parametrize(
    ("prefix", "num_chars", "named"),
    [
        ("", 3, "prefix"),
        ("1x2", 0, "'x'"),
        ("1x2", 3, "'x'"),
        *[("1", bad, f"num_chars.*{bad}") for bad in (-1, 1.5, True)],
    ],
)
def test_what_cannot_be_written_is_refused_by_name(greedy, prefix, num_chars, named):
    with pytest.raises(ValueError, match=named):
        digits(greedy, prefix, num_chars)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_outputs_that_are_not_finite_are_an_error_and_no_text(greedy, bad):
    params = (nd.array([[0, bad, 0, 0]]),)

    with pytest.raises(FloatingPointError):
        greedy("a", 1, constant, params, init_rnn_state, 1, LETTERS)


# --- chance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-9}], ids=str)
def test_without_a_choice_generate_is_greedy(subject, options):
    mx.random.seed(4)
    args = "12", 20, rnn, get_params(10, 8, mx.cpu(), scale=0.5), init_rnn_state, 8, DIGITS

    assert subject.generate(*args, seed=0, **options) == subject.predict_rnn(*args)


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
def test_characters_are_as_frequent_as_softmax_of_logits_over_temperature_says(subject, temperature):
    text = letters(subject, 1000, temperature=temperature, seed=1)

    p = np.exp(LOGITS / temperature)
    expected = p / p.sum() * 1000
    counts = np.array([text.count(char) for char in LETTERS.idx_to_char])
    assert ((counts - expected) ** 2 / expected).sum() < 21.1  # chi-square, 3 degrees: exceeded once in 10^4


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, "abcd"),
        ({"top_k": 2}, "bd"),
        ({"top_k": 3}, "abd"),
        ({"top_k": 4}, "abcd"),
        ({"top_k": 99}, "abcd"),
        ({"top_p": 0.4}, "b"),
        ({"top_p": 0.6}, "bd"),  # b alone is 0.5: too little
        ({"top_p": 0.8}, "abd"),
        ({"top_p": 0.95}, "abcd"),
        ({"top_p": 1}, "abcd"),
        ({"top_k": 2, "top_p": 0.6}, "b"),  # of the two that are left, b has 2/3
    ],
    ids=str,
)
def test_only_and_all_of_the_likeliest_are_drawn(subject, options, kept):
    assert "".join(sorted(set(letters(subject, 200, seed=2, **options)))) == kept


@pytest.mark.parametrize("options", [{"top_k": 2}, {"top_p": 0.5}], ids=str)
def test_of_equally_likely_characters_no_more_than_asked_for_are_drawn(subject, options):
    assert set(letters(subject, 100, [1, 1, 1, 1], seed=3, **options)) == {"a", "b"}


def test_what_is_left_keeps_its_proportions(subject):
    text = letters(subject, 1000, top_k=2, seed=4)

    assert text.count("b") == pytest.approx(1000 * 2 / 3, abs=60)  # four deviations


def test_the_same_seed_writes_the_same_text_again_and_another_another(subject):
    first, again, other = (letters(subject, 40, seed=seed) for seed in (5, 5, 6))

    assert first == again != other


def test_without_a_seed_every_text_is_another(subject):
    assert letters(subject, 40) != letters(subject, 40)


@pytest.mark.parametrize("temperature", [1e-300, 5e-324])
def test_the_smallest_temperatures_are_greedy(subject, temperature):
    assert letters(subject, 20, [0, 4, -4, 3.9], temperature=temperature, seed=7) == "b" * 20


def test_a_huge_temperature_makes_all_equally_likely(subject):
    text = letters(subject, 400, [0, 50, -50, 0], temperature=1e300, seed=8)

    assert min(text.count(char) for char in "abcd") > 60  # expected 100, deviation 9


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *[("temperature", bad) for bad in (-1, float("nan"), float("inf"))],
        *[("top_k", bad) for bad in (0, -1, 1.5, True)],
        *[("top_p", bad) for bad in (0, -0.1, 1.1, float("nan"))],
        *[("seed", bad) for bad in (-1, 2**32, 0.5, True)],
    ],
)
def test_an_option_out_of_range_is_refused_by_name(subject, name, bad):
    with pytest.raises(ValueError, match=f"{name}.*{bad}"):
        letters(subject, 1, **{name: bad})


# --- several texts at once ------------------------------------------------------------------------


GREEDY = Choice(temperature=0)


def writer(network=doubling, params=NO_PARAMS, init_state=init_rnn_state):
    return one_hot_writer(network, params, init_state, 1, DIGITS)


def table(inputs, state, params):
    """A network that doubles, and answers with row H of params[0]: the same bits in a batch of any size."""
    outputs, state = doubling(inputs, state, params)
    return [nd.take(params[0], Y.argmax(axis=1)) for Y in outputs], state


PREFIXES = ["1", "407", "12", "407", "9" * 30]


@pytest.mark.parametrize("prefixes", [PREFIXES, PREFIXES[::-1], ["3"], [str(i) for i in range(50)]])
@pytest.mark.parametrize("num_chars", [0, 1, 7])
def test_a_batch_writes_what_each_prefix_gives_alone(prefixes, num_chars):
    alone = [digits(predict_rnn, prefix, num_chars) for prefix in prefixes]

    assert generate_batch(prefixes, num_chars, writer(), DIGITS, GREEDY) == alone


@pytest.mark.parametrize(
    "options", [{}, {"top_k": 4}, {"top_p": 0.7}, {"temperature": 3, "top_k": 8, "top_p": 0.9}], ids=str
)
def test_chance_is_that_of_each_text_alone_and_of_a_seed_for_each_sample(options):
    params = (nd.array(np.random.default_rng(0).normal(size=(10, 10))),)
    args = 9, table, params, init_rnn_state, 1, DIGITS

    texts = generate_batch(
        PREFIXES, 9, writer(table, params), DIGITS, Choice(seed=5, **options), num_samples=3
    )

    assert texts == [generate(p, *args, seed=5 + k, **options) for p in PREFIXES for k in range(3)]
    assert len(set(texts)) == 3 * len(set(PREFIXES))


def test_without_a_seed_every_sample_is_another():
    without_preference = writer(table, (nd.zeros((10, 10)),))

    assert len(set(generate_batch(["1"], 30, without_preference, DIGITS, Choice(), num_samples=5))) == 5


def test_a_generator_draws_as_numpy_chooses():
    text = letters(d2lrnn, 200, temperature=0.7, seed=11)

    rng, p = np.random.default_rng(11), np.exp(LOGITS.astype("float32").astype("float64") / 0.7)
    assert text == LETTERS.decode([rng.choice(4, p=p / p.sum()) for _ in range(200)])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_network_that_looks_rows_up_writes_the_same(cell):
    network = get_network(cell)
    mx.random.seed(6)
    params = network.get_params(10, 8, mx.cpu(), scale=0.3)
    slow = one_hot_writer(network.rnn, params, network.init_state, 8, DIGITS)
    for fast in (network.writer(params), network.writer(params)._replace(go_on=None)):
        texts = generate_batch(PREFIXES, 10, fast, DIGITS, GREEDY)

        assert texts == generate_batch(PREFIXES, 10, slow, DIGITS, GREEDY)
        assert texts == [generate_batch([p], 10, fast, DIGITS, GREEDY)[0] for p in PREFIXES]


def test_the_longest_text_says_how_often_the_network_runs_and_the_batch_is_never_larger():
    shapes, asked = [], []

    def counted(inputs, state, params):
        shapes.append([X.shape for X in inputs])
        return doubling(inputs, state, params)

    def init_state(*args):
        asked.append(args)
        return init_rnn_state(*args)

    counting = writer(counted, NO_PARAMS, init_state)

    generate_batch(PREFIXES, 4, counting, DIGITS, Choice(), num_samples=2)

    assert shapes == [[(10, 10)]] * 33
    assert asked == [(10, 1, NO_PARAMS[0].context)]


def test_what_is_read_in_the_prefix_or_after_the_end_of_a_text_does_not_count():
    def count_up_and_break_at_0(inputs, state, params):
        return [one_hot((X.argmax(axis=1) + 1) % 10, 10) + X[:, 0:1] * 1e38 * 10 for X in inputs], state

    args = 2, writer(count_up_and_break_at_0), DIGITS, GREEDY

    assert generate_batch(["7", "1020304", "7"], *args) == ["789", "102030456", "789"]
    with pytest.raises(FloatingPointError):
        generate_batch(["1", "20"], *args)


def test_a_batch_without_prefixes_is_no_text():
    assert generate_batch([], 5, writer(), DIGITS, GREEDY) == []


def test_a_string_is_no_list_of_prefixes():
    with pytest.raises(TypeError, match=r"prefixes.*'12'"):
        generate_batch("12", 3, writer(), DIGITS, GREEDY)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_num_samples_is_at_least_one(bad):
    with pytest.raises(ValueError, match=f"num_samples.*{bad}"):
        generate_batch(["1"], 3, writer(), DIGITS, GREEDY, num_samples=bad)


@pytest.mark.parametrize(("num_chars", "num_samples"), [(3, 10**12), (9_999_999, 10**7)])
def test_more_texts_than_the_memory_holds_are_refused(num_chars, num_samples):
    with pytest.raises(ValueError, match=r"texts.*memory.*samples"):
        generate_batch(["1"], num_chars, writer(), DIGITS, GREEDY, num_samples=num_samples)
