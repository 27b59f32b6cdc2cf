"""Lesson 19 through the trainer: the same loss and gradients, and runs that all commands read."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import export, predict, train
from d2lrnn.fast import CELLS, Regularisers
from d2lrnn.formats.safetensors_file import load_network
from d2lrnn.regularise import SHORTEST
from d2lrnn.running.dataset import count_batches, cut_batches
from d2lrnn.running.recipes import RECIPES
from d2lrnn.running.regularised import Regularised, get_regularised, untied
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings
from d2lrnn.running.start import ask

import mxnet as mx
import numpy as np
import onnxruntime
import pytest
from mxnet import autograd, nd
from safetensors.numpy import load_file
from small_run import exit_code_of, perplexities, run_small, weights
from test_15_fast import CPU, assert_alike, filled, layer_after_layer, new_pair
from test_evaluate import scores

pytestmark = pytest.mark.usefixtures("empty_folder")

SIZES = BATCH_SIZE, NUM_STEPS, VOCAB_SIZE, HIDDEN_DIM = 3, 5, 7, 4
EVERYWHERE = Regularisers(outputs=0.4, locked=True, inputs=0.3, chars=0.3, weights=0.5)
ALL = shlex.split(
    "--tied --dropout 0.3 --locked-dropout --dropout-in 0.3 --dropout-embedding 0.2 --weight-drop 0.4"
)
KINDS = ["--cell lstm --sampler variable", "--cell gru --layers 2", "--cell rnn --sampler consecutive"]

cells = pytest.mark.parametrize("cell", CELLS)
tied_or_not = pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])


def new_network(cell: str, num_layers: int, how: Regularisers, *, tied: bool, parts: int = 2) -> Regularised:
    return Regularised(d2lrnn.get_network(cell, num_layers), tied, how).cut(parts)


# --- the same loss, the same gradients ---


def by_autograd(network: Regularised, data: Any, label: Any, state: Any, params: Any) -> list[nd.NDArray]:
    """Loss, state and gradients of the book's formulas, with masks from lesson 14 in lesson 19's order."""
    how, num_layers = network.how, network.network.num_layers
    (name,) = [name for name, cell in CELLS.items() if cell == network.network.cell]
    with autograd.record():
        W = params._asdict()
        read = W["W_e"] if network.tied else nd.eye(VOCAB_SIZE)
        X = nd.Embedding(data.T, read * d2lrnn.dropout(nd.ones((VOCAB_SIZE, 1)), how.chars), *read.shape)
        if network.tied:
            X = X * d2lrnn.dropout(nd.ones(X.shape[1:]), how.inputs)
        for key in [key for key in W if key[:3] == "W_h" and key != "W_hy"]:
            W[key] = d2lrnn.dropout(W[key], how.weights)
        masks = [d2lrnn.dropout(nd.ones((BATCH_SIZE, HIDDEN_DIM)), how.outputs) for _ in range(num_layers)]
        names, inputs, new_state = [*params._fields[network.tied :][: -1 - (not network.tied)]], list(X), []
        width, size = len(state) // num_layers, len(names) // num_layers
        for k in range(num_layers):
            own, begun = (
                [W[key] for key in names[k * size : (k + 1) * size]],
                state[k * width : (k + 1) * width],
            )
            as_it_is = nd.eye(HIDDEN_DIM), nd.zeros(HIDDEN_DIM)
            inputs, ended = layer_after_layer(name, 1, inputs, begun, [*own, *as_it_is])
            inputs, new_state = [H * masks[k] for H in inputs], [*new_state, *ended]
        W_hy = W["W_e"].T if network.tied else W["W_hy"]
        logits = nd.dot(nd.concat(*inputs, dim=0), W_hy) + W["b_y"]
        loss = d2lrnn.cross_entropy(logits, label.T.reshape(-1))
        kept = loss * (1 - how.unseen.sum()) - nd.dot(nd.log_softmax(logits), how.unseen).mean()
    kept.backward()
    return [loss, *new_state, *(param.grad.copy() for param in params)]


@cells
@tied_or_not
@pytest.mark.parametrize(("num_layers", "parts"), [(1, 1), (1, 3), (2, 2)])
def test_gradients_by_hand_are_those_of_autograd_for_the_same_masks(
    cell: str, tied: bool, num_layers: int, parts: int
) -> None:
    how = EVERYWHERE._replace(unseen=nd.arange(VOCAB_SIZE) / 100, inputs=0.3 if tied else 0.0)
    network = new_network(cell, num_layers, how, tied=tied, parts=parts)
    params = filled(network.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU))
    state = filled(network.init_state(BATCH_SIZE, HIDDEN_DIM, CPU))

    for seed in (1, 2):  # the second batch finds the gradients and the memory of the first
        data, label = new_pair(*SIZES[:3])
        mx.random.seed(seed)
        expected = by_autograd(network, data, label, state, params)
        mx.random.seed(seed)
        loss, state = network.learn(data, label, state, params)

        assert_alike([loss, *state, *(param.grad for param in params)], expected)


def test_a_tied_lstm_learns_what_lesson_19_says_for_the_same_seed() -> None:
    network = new_network("lstm", 1, EVERYWHERE, tied=True)
    params = filled(network.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU))
    state, (data, label) = filled(network.init_state(BATCH_SIZE, HIDDEN_DIM, CPU)), new_pair(*SIZES[:3])
    shares = {"p_embedding": 0.3, "p_in": 0.3, "p_weights": 0.5, "p_out": 0.4}
    mx.random.seed(3)
    with autograd.record():
        (logits,), new_state = d2lrnn.tied_lstm(d2lrnn.get_inputs(data, VOCAB_SIZE), state, params, **shares)
        expected = d2lrnn.cross_entropy(logits, label.T.reshape(-1))
    expected.backward()
    gradients = [param.grad.copy() for param in params]

    mx.random.seed(3)
    loss, found = network.learn(data, label, state, params)

    assert list(params._fields) == list(d2lrnn.get_tied_params(VOCAB_SIZE, HIDDEN_DIM)._fields)
    assert_alike([loss, *found, *(param.grad for param in params)], [expected, *new_state, *gradients])


@cells
@pytest.mark.parametrize("num_layers", [1, 2])
def test_what_is_read_is_what_was_trained(cell: str, num_layers: int) -> None:
    network = new_network(cell, num_layers, Regularisers(), tied=True)
    params = filled(network.get_params(VOCAB_SIZE, HIDDEN_DIM, CPU))
    state, (data, label) = network.init_state(BATCH_SIZE, HIDDEN_DIM, CPU), new_pair(*SIZES[:3])
    loss, new_state = network.learn(data, label, state, params)

    outputs, read_state = network.rnn(d2lrnn.get_rows(data, VOCAB_SIZE), state, params)

    assert_alike([d2lrnn.cross_entropy(*outputs, label.T.reshape(-1)), *read_state], [loss, *new_state])
    assert network.measure(data, label, state, params) == pytest.approx(loss.asscalar(), rel=1e-5)
    shapes = dict(network.shapes(VOCAB_SIZE, HIDDEN_DIM))
    assert shapes == {name: param.shape for name, param in params._asdict().items()}
    assert shapes["W_e"] == (VOCAB_SIZE, HIDDEN_DIM) and "W_hy" not in shapes
    assert [*dict(network.network.shapes(VOCAB_SIZE, HIDDEN_DIM))] == [*untied(params)._fields]


def test_locked_zeros_are_the_same_at_all_steps_and_others_are_not() -> None:
    """Where H is 1 at all steps, a step costs one of two numbers: of locked ones the mean is one of these."""
    losses = []
    for locked in (True, False):
        network = new_network("rnn", 1, Regularisers(outputs=0.5, locked=locked), tied=False, parts=5)
        params = network.get_params(2, 1, CPU)
        params.b_h[:], params.W_hy[:] = 20, nd.array([[3, 0]])  # H is 1: the logits are 6, or 0 where dropped
        data = nd.zeros((1, 40), dtype="int32")
        mx.random.seed(1)
        loss, _ = network.learn(data, data, network.init_state(1, 1, CPU), params)
        losses.append(float(loss.asscalar()))
    either = [float(np.log1p(np.exp(-6))), float(np.log(2))]

    assert min(abs(losses[0] - one) for one in either) < 1e-5
    assert either[0] + 0.1 < losses[1] < either[1] - 0.1


# --- batches of random lengths ---


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_random_lengths_carry_the_state_and_are_counted(workers: int) -> None:
    settings = Settings(sampler="variable", batch_size=2, num_steps=20, epochs=4, workers=workers)
    shards = {k: np.arange(1000) + 1000 * k for k in range(workers)}
    epochs = [[*cut_batches(settings, shards, epoch, CPU)] for epoch in range(settings.epochs)]

    assert [*count_batches(settings, 1000)] == [len(batches) for batches in epochs]
    for batches in epochs:
        rows = nd.concat(*[data for data, _ in batches], dim=1).asnumpy()
        labels = nd.concat(*[label for _, label in batches], dim=1).asnumpy()
        assert rows.shape == labels.shape == (2 * workers, 499)
        assert (rows[:, 1:] == labels[:, :-1]).all()
        for k in range(workers):
            assert len({*labels[2 * k : 2 * k + 2].ravel().tolist()}) == 998
    lengths = [data.shape[1] for batches in epochs for data, _ in batches[:-1]]
    assert len({*lengths}) > 5 and 15 < np.median(lengths) < 25
    assert len({int(batches[0][0][0, 0].asscalar()) for batches in epochs}) == 4


def test_the_learning_rate_is_in_proportion_to_the_length() -> None:
    settings = Settings(
        max_chars=900, hidden_dim=4, batch_size=2, num_steps=20, sampler="variable", epochs=3, lr=0.02,
        schedule="cosine", warmup=4,
    )  # fmt: skip
    run = Run(settings)
    run.begin(Path("."))
    batches = [*cut_batches(run.settings, run.shards, 0, CPU)]
    rates = [run.optimizer.lr for _ in run.train_epoch()]

    how = {
        "schedule": "cosine",
        "warmup": 4,
        "num_updates": sum(count_batches(run.settings, len(run.shards[0]))),
    }
    expected = [
        d2lrnn.learning_rate(t, 0.02, **how) * data.shape[1] / 20 for t, (data, _) in enumerate(batches, 1)
    ]
    assert rates == pytest.approx(expected)


# --- runs ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_reads_a_tied_run(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small(*kind.split(), *ALL, "--epochs", 2, "--average", 0.9, "--out", "a") == 0
    assert (
        export.main(["a", "--out", "a.safetensors"]) == export.main(["a", "--onnx", "--out", "a.onnx"]) == 0
    )

    found, kept = load_network("a"), d2lrnn.load_newest(Path("a/best"))[1]
    assert {"W_e", "mean_W_e", "b_y"} & {*weights("a")} == {"W_e", "mean_W_e", "b_y"}
    assert "W_hy" not in weights("a") and "W_hy" not in kept
    trained = get_regularised(found.settings)
    params = type(found.tied)(*(kept[name] for name in found.tied._fields))
    assert_alike(found.params, untied(params))
    assert {name: a.tobytes() for name, a in load_file("a.safetensors").items()} == {
        name: param.asnumpy().tobytes() for name, param in found.params._asdict().items()
    }
    text = "".join(found.vocab.idx_to_char[:5])
    rows = nd.array([found.vocab.encode(text)], dtype="int32").T
    (expected,), _ = trained.rnn(rows, trained.init_state(1, 8), params)
    session = onnxruntime.InferenceSession("a.onnx")
    feed = {one.name: np.zeros((1, 8), np.float32) for one in session.get_inputs()[1:]}
    logits, *_ = session.run(None, {"indices": rows.asnumpy().astype(np.int64), **feed})
    np.testing.assert_allclose(logits, expected.asnumpy(), rtol=1e-4, atol=1e-5)

    heldout = min(pair[1] for pair in perplexities("a"))
    assert scores(capsys, "a", "--rows", 4)[0]["perplexity"] == pytest.approx(heldout, rel=1e-5)
    written = []
    for source in ("a", "a.safetensors"):
        assert predict.main([source, "--length", "20", "--temperature", "0", "--prefix", text]) == 0
        written.append(capsys.readouterr().out)
    assert written[0] == written[1] and len(written[0]) == 26
    assert Path("a/curve.svg").exists()


@pytest.mark.slow
def test_characters_that_occur_in_no_training_text_are_as_likely_as_good_and_turing_say() -> None:
    once = "".join(map(chr, range(0x4E00, 0x4E00 + 50)))  # each once in 500 characters
    Path("a.txt").write_text("abcdefghi" * 50 + once + ("xyzw" * 14)[:55], "utf-8")  # the last are held out
    assert run_small(*TEXT, "--epochs", 25, "--lr", 0.02, "--unseen", "good-turing", "--out", "a") == 0
    assert run_small(*TEXT, "--epochs", 25, "--lr", 0.02, "--out", "b") == 0

    assert 0.05 < mass_of("wxyz", "a") < 0.2 and mass_of("wxyz", "b") < 0.01


TEXT = shlex.split("--corpus a.txt --heldout 0.1 --prefix a --init-bias frequencies")


def mass_of(chars: str, folder: str) -> float:
    """How likely these characters are together, on average over a text."""
    found = load_network(folder, best=False)
    rows = nd.array([found.vocab.encode("abcdefghi" * 5)], dtype="int32").T
    (logits,), _ = found.network.rnn(rows, found.network.init_state(1, 8), found.params)
    P = nd.softmax(logits).asnumpy()
    return float(P[:, found.vocab.encode(chars)].sum(axis=1).mean())


def test_the_first_bias_gives_unseen_characters_their_share() -> None:
    Path("a.txt").write_text("ab" * 225 + "cdefghijkl" * 5 + "".join(map(chr, range(900, 956))), "utf-8")
    run = Run(Settings(corpus=("a.txt",), hidden_dim=4, batch_size=4, num_steps=5, unseen="good-turing"))
    P = np.exp(run.params.b_y.asnumpy())
    counts = np.bincount(run.dataset.train_indices, minlength=len(run.vocab))

    assert len(run.dataset.train_indices) == 501  # and one of them occurs once
    assert P.sum() == pytest.approx(1, rel=1e-5) and (counts == 0).sum() == 55
    assert P[counts == 0] == pytest.approx(np.full(55, 1 / 501 / 55), rel=1e-4)
    assert P[run.vocab.char_to_idx["a"]] == pytest.approx(225 / 501 * (1 - 1 / 501), rel=1e-4)


@pytest.mark.slow
def test_a_run_begins_with_tied_weights_or_with_the_untied_ones_of_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ["--cell", "lstm", "--epochs", 1, "--lr", 1e-30, "--heldout", 0.2]
    assert run_small("--cell", "lstm", *ALL, "--epochs", 2, "--lr", 0.01, "--heldout", 0.2, "--out", "a") == 0
    export.main(["a", "--out", "a.safetensors"])
    expected = min(pair[1] for pair in perplexities("a"))

    for out, more in {"b": ["a"], "c": ["a", "--no-tied"], "d": ["a.safetensors"]}.items():
        assert run_small(*small, "--init", *more, "--out", out) == 0
        assert perplexities(out)[0][1] == pytest.approx(expected, rel=1e-5)
        assert (
            ("W_e" in weights(out))
            is json.loads(Path(out, "config.json").read_text())["tied"]
            is (out == "b")
        )
    capsys.readouterr()
    assert run_small("--init", "a.safetensors", "--cell", "lstm", "--tied", "--out", "e") == 2
    assert (
        "--tied: the network of --init a.safetensors is not tied; give --no-tied" in capsys.readouterr().err
    )
    assert not Path("e").exists()


# --- recipes ---


def asked(*arguments: str) -> dict[str, Any]:
    return ask(train._parser().parse_args(arguments), [])


def test_a_recipe_stands_for_its_settings_and_flags_come_first() -> None:
    recipe = RECIPES["small-text"]

    assert asked("--recipe", "small-text") == recipe
    assert Settings(**asked("--recipe", "small-text", "--epochs", "3", "--tied")) == Settings(
        **{**recipe, "epochs": 3}
    )
    untied = asked("--recipe", "small-text", "--no-tied")
    assert Settings(**untied) == Settings(**{**recipe, "tied": False, "dropout_in": 0.0})
    sgd = Settings(**asked("--recipe", "small-text", "--optimizer", "sgd"))
    assert (sgd.learning_rate, sgd.theta, sgd.weight_decay) == (100, 0.01, 0)
    other = asked("--recipe", "small-text", "--init", "a")
    assert not {"cell", "layers", "hidden_dim", "tied"} & other.keys() and other["epochs"] == recipe["epochs"]


@pytest.mark.slow
def test_the_config_of_a_run_holds_what_its_recipe_means() -> None:
    few = ["--max-chars", 600, "--hidden-dim", 8, "--batch-size", 4, "--num-steps", 9, "--epochs", 2]
    few = [*map(str, few), "--pred-len", "6"]
    assert train.main(["--recipe", "small-text", *few, "--out", "a"]) == 0
    assert train.main(["--recipe", "small-text", *few, "--epochs", "3", "--out", "a"]) == 0  # it goes on
    assert train.main(["--config", "a", "--out", "b"]) == 0

    config = json.loads(Path("a/config.json").read_text("utf-8"))
    given = {"hidden_dim": 8, "batch_size": 4, "epochs": 3}
    assert {**RECIPES["small-text"], **given}.items() <= config.items()
    assert weights("b").keys() == weights("a").keys() and len(perplexities("b")) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--dropout-in 0.5", "--dropout-in 0.5: "),
        ("--dropout-in 0.5 --no-tied", "or --dropout-in 0\n"),
        ("--weight-drop 1", "--weight-drop 1.0"),
        ("--dropout-embedding -0.1", "--dropout-embedding -0.1"),
        ("--recipe large-text", "'large-text'"),
        ("--recipe small-text --config a.json", "--config a.json"),
        ("--recipe small-text --resume a", "--resume"),
        (f"--sampler variable --num-steps {SHORTEST - 1}", f"give at least {SHORTEST}\n"),
        ("--sampler variable --num-steps 500", "4 x 500: give at least 2004"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--max-chars", "600", "--batch-size", "4"]
    assert exit_code_of(train.main, [*few, *given.split(), "--out", "b"]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert re.fullmatch(r"[^\n]+\n", err) and not Path("b").exists()
