"""Where MXNet 1.9.1 answers with wrong numbers and no error, we answer rightly or refuse in words.

A test is named after the wrong result; its first line says what MXNet itself answers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import checks, cli
from d2lrnn.running.settings import Settings
from d2lrnn.training import evaluate

import mxnet as mx
import numpy as np
import pytest
from cell_oracles import with_gradient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd

VOCAB = d2lrnn.Vocab("abcde")
LOGITS = nd.array([[0, 100.0, 3], [1, 2, 3]])
NO_INDEX = [-1, 5, 1e9, float("nan"), float("inf"), 1.5, 2**32]
SAMPLERS = [d2lrnn.data_iter_random, d2lrnn.data_iter_consecutive]
CELLS = {
    "rnn": (d2lrnn.get_params, d2lrnn.init_rnn_state, d2lrnn.rnn),
    "gru": (d2lrnn.get_gru_params, d2lrnn.init_gru_state, d2lrnn.gru),
    "lstm": (d2lrnn.get_lstm_params, d2lrnn.init_lstm_state, d2lrnn.lstm),
    **{
        f"fast {cell}": (network.get_params, network.init_state, network.rnn)
        for cell in ("rnn", "gru", "lstm")
        for network in [d2lrnn.get_network(cell)]
    },
}
STEPS: dict[str, Callable] = {
    "grad_clipping": lambda params: d2lrnn.grad_clipping(params, 1.0),
    "sgd": lambda params: d2lrnn.sgd(params, 0.1),
    "adam": lambda params: d2lrnn.adam(params, d2lrnn.init_adam_states(params), 0.1, 1),
    "Optimizer sgd": lambda params: d2lrnn.Optimizer("sgd", params, 0.1).step(params),
    "Optimizer adam": lambda params: d2lrnn.Optimizer("adam", params, 0.1).step(params),
}
each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


def as_ndarray(index: float) -> nd.NDArray:
    return nd.array([0, index], dtype="int64" if isinstance(index, int) else "float32")


def written_with(logits: list, **options: Any) -> str:
    """What generate writes after "a" where the network answers everything with these logits."""

    def rnn(inputs: list, state: tuple, params: list) -> tuple:
        return [nd.array([logits])], state

    return d2lrnn.generate("a", 20, rnn, [nd.zeros(1)], lambda *shape: (), 1, VOCAB, **{"seed": 0, **options})


@pytest.mark.parametrize("index", NO_INDEX)
def test_an_index_out_of_range_is_not_a_row_of_zeros(index: float) -> None:
    # nd.one_hot(nd.array([-1, 5]), 5): two rows of zeros; of 1.5: class 1; of int64 2**32: class 0
    for indices in (as_ndarray(index), [0, index]):
        with pytest.raises(IndexError, match=f" {index}"):
            d2lrnn.one_hot(indices, 5)


@pytest.mark.parametrize("index", NO_INDEX)
@pytest.mark.parametrize("get_inputs", [d2lrnn.get_inputs, d2lrnn.get_rows])
def test_an_index_out_of_range_does_not_look_up_the_last_row(get_inputs: Callable, index: float) -> None:
    # nd.take(W, nd.array([9])): the last row of W, and its gradient goes there; of NaN: row 0
    with pytest.raises(IndexError, match=f" {index}"):
        get_inputs(as_ndarray(index).reshape((1, 2)), 5)


@pytest.mark.parametrize("label", [-1, 3, float("nan"), 1e9, 0.5, 2**32])
def test_a_label_out_of_range_is_not_counted_as_the_last_class(label: float) -> None:
    # nd.pick(nd.array([[0, 100, 3]]), nd.array([-1])): 0, of 3 and 1e9: 3, of NaN: 0
    with pytest.raises(IndexError, match=f" {label}"):
        d2lrnn.cross_entropy(LOGITS, as_ndarray(label))


def test_a_loss_of_10000_nats_is_not_capped_at_18() -> None:
    # nd.softmax_cross_entropy(nd.array([[0, 1e4]]), nd.array([0])): 18.42; of label 1e9: the process dies
    assert d2lrnn.cross_entropy(nd.array([[0, 1e4]]), nd.array([0])).asscalar() == pytest.approx(1e4)


def test_an_index_of_2_to_the_32_is_not_evaluated_as_index_0() -> None:
    # nd.array(np.array([2**32 + 1]), dtype="int32"): 1
    indices = np.array([0, 1, 2, 2**32 + 1, 1, 2])
    with pytest.raises((IndexError, ValueError), match=f"{2**32 + 1}"):
        evaluate(d2lrnn.rnn, d2lrnn.get_params(5, 4), d2lrnn.init_rnn_state, indices, 1, 3)


@settings(max_examples=50)
@given(
    logits=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=5, max_size=5),
    temperature=st.floats(0, allow_infinity=False),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
)
@example(logits=[-3e38, 3e38, 0, 1, 1], temperature=5e-324, top_k=None, top_p=None)
def test_no_draw_falls_outside_the_vocabulary(logits: list, **options: Any) -> None:
    # nd.sample_multinomial(nd.zeros((1, 5))): 5, one past the end; of [[0.1, 0.1]]: 2
    assert set(written_with(logits, **options)) <= set("abcde")


def test_what_has_no_probability_is_not_drawn() -> None:
    # nd.sample_multinomial(nd.array([[-1, 2]])): 1, although a probability is negative
    assert set(written_with([-1e4, 0, -1e4, 0, -1e4])[1:]) == {"b", "d"}


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), -float("inf")])
def test_a_prediction_from_nan_is_not_index_0(nothing: float) -> None:
    # nd.sample_multinomial(nd.array([[float("nan"), 1]])): 0
    with pytest.raises(FloatingPointError):
        written_with([0, nothing, 0, 0, 0])


@pytest.mark.parametrize("cell", CELLS)
def test_no_activation_hides_a_nan(cell: str) -> None:
    # nd.Activation(nd.array([float("nan")]), "relu"): 0
    get_params, init_state, rnn = CELLS[cell]
    for i in range(len(get_params(5, 4))):
        params = get_params(5, 4)
        params[i][:] = float("nan")
        with pytest.raises(FloatingPointError):
            d2lrnn.predict_rnn("ab", 1, rnn, params, init_state, 4, VOCAB)


@pytest.mark.parametrize("make", [list, np.array, lambda values: nd.array(values, dtype="int64")])
@each_sampler
def test_an_index_beyond_2_to_the_24_is_not_rounded(sampler: Callable, make: Callable) -> None:
    # nd.array(np.array([2**24 + 1])): 2**24, for it becomes float32
    indices = [2**24 + 1, 2**24 + 3, 2**31 - 1]
    ((data, label),) = sampler(make(indices), 1, 2, mx.cpu())

    assert data.asnumpy().tolist() == [indices[:2]] and label.asnumpy().tolist() == [indices[1:]]
    with pytest.raises(ValueError, match=f"{2**31}"):
        next(sampler(make([0, 1, 2**31]), 1, 2, mx.cpu()))


@pytest.mark.slow
@each_sampler
def test_places_beyond_2_to_the_24_are_not_repeated(sampler: Callable) -> None:
    # nd.arange(2**24, 2**24 + 4): 16777216, 16777216, 16777218, 16777220
    size = 2**22
    corpus = np.arange(5 * size + 2, dtype=np.int32)
    ends = [(data[0, 0], label[0, -1]) for data, label in sampler(corpus, 1, size, mx.cpu(), offset=1)]

    assert sorted((int(first.asscalar()), int(last.asscalar())) for first, last in ends) == [
        (i * size + 1, (i + 1) * size + 1) for i in range(5)
    ]


def test_a_large_whole_number_in_a_checkpoint_is_not_rounded(tmp_path: Path) -> None:
    # nd.full(1, 2**53 + 1, dtype="int64"): 2**53, and nd.array(np.array([0.1])) is float32
    arrays = {"t": nd.array(np.array([2**53 + 1]), dtype="int64"), "lr": nd.array([0.1], dtype="float64")}
    d2lrnn.save_checkpoint(tmp_path / "run", arrays, {})
    loaded, _ = d2lrnn.load_checkpoint(tmp_path / "run")

    assert loaded["t"].asnumpy().tolist() == [2**53 + 1] and loaded["lr"].asnumpy().tolist() == [0.1]


def test_integer_logits_are_not_truncated() -> None:
    # nd.array([1], dtype="int32") / 2: 0, and divided by 0 the process dies
    with pytest.raises(TypeError, match=r"logits.*int32"):
        d2lrnn.cross_entropy(LOGITS.astype("int32"), nd.array([0, 0]))


@each_step
def test_an_integer_parameter_does_not_stand_still(step: Callable) -> None:
    # nd.array([1], dtype="int32").attach_grad() is accepted, and its gradient times 0.5 is 0
    with pytest.raises(TypeError, match=r"gradient.*int32"):
        step([with_gradient(0, [1, 2], dtype="int32")])


def test_gradients_of_1e20_are_not_clipped_to_zero() -> None:
    # gluon.utils.clip_global_norm: the squares overflow, and every gradient becomes 0
    params = [with_gradient(0, [3e20]), with_gradient(0, [4e20])]

    assert d2lrnn.grad_clipping(params, 1.0) == pytest.approx(5e20)
    assert [param.grad.asscalar() for param in params] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_nan_does_not_become_nan_in_every_gradient(value: float) -> None:
    # gluon.utils.clip_global_norm: all gradients are NaN; sgd_update(clip_gradient=1): infinity is 1
    params = [with_gradient(0, [value, 3]), with_gradient(0, [4])]
    with pytest.raises(FloatingPointError, match="norm"):
        d2lrnn.grad_clipping(params, 1.0)
    assert params[0].grad[1].asscalar() == 3 and params[1].grad.asscalar() == 4


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_parameter_outside_the_loss_does_not_keep_its_old_gradient(optimizer: str) -> None:
    # loss.backward() leaves param.grad of such a parameter as it was, 777 for instance
    def forgets_b_y(inputs: list, state: tuple, params: Any) -> Any:
        return d2lrnn.rnn(inputs, state, params._replace(b_y=nd.zeros(5)))

    params = d2lrnn.get_params(5, 4)
    params.b_y.grad[:] = 777
    before = [param.asnumpy() for param in params]
    batches = d2lrnn.data_iter_random([0, 1, 2, 3, 4], 1, 2, mx.cpu())
    updater = d2lrnn.Optimizer(optimizer, params, 0.1)
    with pytest.raises(ValueError, match="b_y"):
        d2lrnn.train_epoch(
            forgets_b_y, params, d2lrnn.init_rnn_state, batches, updater, 1.0, is_random_iter=True
        )
    assert all((old == new.asnumpy()).all() for old, new in zip(before, params))


@each_step
def test_a_parameter_made_anew_does_not_lose_its_gradient_unnoticed(step: Callable) -> None:
    # param = param - lr * param.grad: a new array, whose .grad is None
    param = with_gradient(0, [1, 2])
    param = param - 0.1 * param.grad
    with pytest.raises(ValueError, match="parameter 0"):
        step([param])


@pytest.mark.parametrize("step", [s for name, s in STEPS.items() if name != "grad_clipping"])
def test_a_step_keeps_the_array_and_its_gradient(step: Callable) -> None:
    # param = param - lr * param.grad: the array that the caller holds does not move
    param = with_gradient(0, [1, 2])
    step([param])
    assert (param.asnumpy() < 0).all()
    with autograd.record():
        loss = (3 * param).sum()
    loss.backward()

    assert param.grad.asnumpy().tolist() == [3, 3]


def test_an_ndarray_is_not_a_nest_of_32_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    # np.asarray(nd.array([0, 1])): an object array of 32 dimensions, after seconds, one element at a time
    taken, take = [], mx.nd.NDArray.__getitem__
    monkeypatch.setattr(mx.nd.NDArray, "__getitem__", lambda S, key: taken.append(key) or take(S, key))
    indices = nd.array([0, 1, 2, 3, 4] * 10_000, dtype="int32")

    assert VOCAB.decode(indices) == "abcde" * 10_000
    assert d2lrnn.one_hot(indices, 5).shape == (50_000, 5)
    for sampler in SAMPLERS:
        data, label = next(sampler(indices, 2, 3, mx.cpu()))
        assert ((data.asnumpy() + 1) % 5 == label.asnumpy()).all()
    assert len(taken) < 10


def test_temperature_0_is_greedy_and_not_nan() -> None:
    # nd.softmax(nd.array([1, 2]), temperature=0): NaN
    assert written_with([0, 1, 3, 2, 0], temperature=0) == "a" + 20 * "c"
    with pytest.raises(ValueError, match=r"temperature.*nan"):
        written_with([0, 1, 3, 2, 0], temperature=float("nan"))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 1.5, True, "0"])
def test_no_two_seeds_are_the_same(seed: Any) -> None:
    # mx.random.seed(2**32) is mx.random.seed(0), and -1 is accepted
    calls: list[Callable] = [
        lambda: checks.check_seed(seed),
        lambda: written_with([0, 1, 3, 2, 0], seed=seed),
        lambda: d2lrnn.train_and_predict_rnn(*CELLS["rnn"], 4, VOCAB, [0, 1], seed=seed),
        lambda: Settings(seed=seed),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"seed.*{seed}"):
            call()


@pytest.mark.parametrize("size", [0, -1, 1.0, True, None])
def test_a_size_of_0_is_not_taken_for_unknown(size: Any) -> None:
    # nd.ones((2, 3)).reshape((0, -1)): 0 copies a dimension; in other shapes it stands for «not known yet»
    refused = {
        "vocab_size": [
            lambda: d2lrnn.one_hot([0], size),
            lambda: d2lrnn.get_inputs(nd.array([[0]]), size),
            *[lambda make=make: make(size, 4) for make, _, _ in CELLS.values()],
        ],
        "hidden_dim": [lambda make=make: make(5, size) for make, _, _ in CELLS.values()]
        + [lambda make=make: make(2, size) for _, make, _ in CELLS.values()],
        "batch_size": [lambda make=make: make(size, 4) for _, make, _ in CELLS.values()]
        + [lambda sampler=sampler: next(sampler([0, 1, 2], size, 1)) for sampler in SAMPLERS],
        "num_steps": [lambda sampler=sampler: next(sampler([0, 1, 2], 1, size)) for sampler in SAMPLERS],
        "num_layers": [lambda: d2lrnn.get_network("rnn", size)],
    }
    for name, calls in refused.items():
        for call in calls:
            with pytest.raises(ValueError, match=f"{name}.*{size}"):
                call()


@pytest.mark.parametrize(
    ("text", "shown"),
    {
        "风吹过\n\tdéjà\u3000vu 👩\u200d🎤": "风吹过\n\tdéjà\u3000vu 👩\u200d🎤",
        "\x1b[2J\r\x07\x7f\x9b": r"\x1b[2J\r\x07\x7f\x9b",
        "a\u202egnp.exe\u2066\u200f": r"a\u202egnp.exe\u2066\u200f",
        "\udcff\ud83d\0": r"\udcff\ud83d\x00",
        "\u2028\x85": r"\u2028\x85",
    }.items(),
)
def test_no_text_steers_the_terminal_that_shows_it(text: str, shown: str) -> None:
    assert cli.printable(text) == shown
    assert (
        cli.printable(text, keep="") == cli.one_line(text) == shown.replace("\n", r"\n").replace("\t", r"\t")
    )


@given(text=st.text(st.characters()))
def test_what_is_shown_can_be_encoded_and_is_left_alone_when_it_is_shown_again(text: str) -> None:
    shown = cli.printable(text, keep="")

    assert cli.printable(shown, keep="") == shown
    assert len(f"{shown}.".splitlines()) == 1
    shown.encode()


def test_an_error_line_is_short_and_keeps_both_ends() -> None:
    line = cli.one_line("begin" + "x" * 10**6 + "end", 40)

    assert line[:5] + line[-3:] == "beginend"
    assert len(line) == 40


@pytest.mark.parametrize(
    "value", [0, -1, float("nan"), float("inf"), 10**400, np.float32("inf"), True, "1", None]
)
def test_no_number_is_positive_that_would_be_infinite_or_nan(value: Any) -> None:
    # float(10**400): OverflowError
    with pytest.raises(ValueError, match=f"lr.*{value}"):
        checks.check_positive(lr=value)


def test_a_positive_number_of_any_kind_is_taken() -> None:
    checks.check_positive(a=1, b=0.5, c=np.float32(0.5), d=np.int64(3), e=1e308)
