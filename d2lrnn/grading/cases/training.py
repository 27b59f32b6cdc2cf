"""Lesson 9: one batch, one epoch, one measurement, and the whole loop, which has to learn.

What training leaves are parameters. Where it is about learning, their perplexity is computed here, by our own
forward pass: the perplexity that a submission reports is compared with ours, and never believed.
"""

from __future__ import annotations

import io
import re
from collections import namedtuple
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import d2lrnn

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ..case import RTOL, Case, Check, Mistake, differs
from .rnn import NAMES, normal, shapes_of

UNBOUNDED = 1e9  # a theta that clips nothing
TRAINED_PERPLEXITY = 30.0  # ours: 6 to 14 in 40 trials; a blind guess: about 270

# --- drivers --------------------------------------------------------------------------------------


class Descent:
    """Plain gradient descent, as an Optimizer."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def step(self, params: Sequence[nd.NDArray]) -> None:
        """Move the parameters down their gradients."""
        for param in params:
            param[:] = param - self.lr * param.grad


def new_params(arrays: dict[str, np.ndarray]) -> Any:
    """A NamedTuple of parameters, with gradients attached."""
    params = namedtuple("Params", arrays)(*[nd.array(a, mx.cpu(), "float32") for a in arrays.values()])
    for param in params:
        param.attach_grad()
    return params


def new_batches(pairs: list) -> list[tuple[nd.NDArray, nd.NDArray]]:
    """Pairs (data, label) as a sampler yields them."""
    return [tuple(nd.array(chars, mx.cpu(), "int32") for chars in pair) for pair in pairs]


def trained(
    s: Any, weights: Any, batches: list, is_random_iter: bool, theta: float, lr: float, **options: Any
) -> dict[str, Any]:
    """All that train_batches does with plain descent."""
    starts = []

    def spied(inputs: Any, state: tuple, params: Any) -> Any:
        starts.append(state[0].asnumpy())
        return s.rnn(inputs, state, params)

    steps = s.train_batches(
        spied, weights, s.init_rnn_state, new_batches(batches), Descent(lr), theta,
        is_random_iter=is_random_iter, **options,
    )  # fmt: skip
    nats, characters, states = zip(*steps)
    return {
        "nats": [float(n) for n in nats],
        "characters": [int(n) for n in characters],
        "starts": starts,
        "states": [H.asnumpy() for (H,) in states],
        "params": {name: param.asnumpy() for name, param in weights._asdict().items()},
        "gradients": {name: param.grad.asnumpy() for name, param in weights._asdict().items()},
    }


def drive_batches(
    s: Any, params: dict, batches: list, is_random_iter: bool, theta: float, lr: float
) -> dict[str, Any]:
    """Training from these parameters on."""
    return trained(s, new_params(params), batches, is_random_iter, theta, lr)


def drive_given(
    s: Any, params: dict, batches: list, is_random_iter: bool, theta: float, lr: float, state_from: np.ndarray
) -> dict[str, Any]:
    """The same from the state state_from W_hh, which depends on the parameters."""
    weights = new_params(params)
    with autograd.record():
        H = nd.dot(nd.array(state_from), weights.W_hh)
    return trained(s, weights, batches, is_random_iter, theta, lr, state=(H,))


def drive_epoch(
    s: Any, params: dict, batches: list, is_random_iter: bool, theta: float, lr: float
) -> dict[str, Any]:
    """The perplexity and the parameters after train_epoch with plain descent."""
    weights = new_params(params)
    perplexity = s.train_epoch(
        s.rnn, weights, s.init_rnn_state, new_batches(batches), Descent(lr), theta,
        is_random_iter=is_random_iter,
    )  # fmt: skip
    return {
        "perplexity": float(perplexity),
        "params": {name: param.asnumpy() for name, param in weights._asdict().items()},
    }


def drive_evaluate(
    s: Any, params: dict, indices: list[int], batch_size: int, num_steps: int
) -> dict[str, Any]:
    """The perplexity that evaluate measures, and the parameters afterwards."""
    weights = new_params(params)
    perplexity = s.evaluate(s.rnn, weights, s.init_rnn_state, indices, batch_size, num_steps, mx.cpu())
    return {
        "perplexity": float(perplexity),
        "params": {name: param.asnumpy() for name, param in weights._asdict().items()},
        "gradients": {name: param.grad.asnumpy() for name, param in weights._asdict().items()},
    }


def drive_loop(s: Any, text: str, params: dict, settings: dict) -> dict[str, Any]:
    """train_and_predict_rnn from these parameters on: what it returns, prints, and leaves."""
    vocab, weights, console = s.Vocab(text), new_params(params), io.StringIO()
    hidden_dim = len(weights.b_h)
    with redirect_stdout(console):
        perplexities = s.train_and_predict_rnn(
            s.rnn, lambda *args, **options: weights, s.init_rnn_state, hidden_dim, vocab, vocab.encode(text),
            ctx=mx.cpu(), **settings,
        )  # fmt: skip
    return {
        "perplexities": [float(p) for p in perplexities],
        "params": {name: param.asnumpy() for name, param in weights._asdict().items()},
        "console": console.getvalue(),
    }


def drive_seeds(s: Any, text: str, hidden_dim: int, seeds: list[int], settings: dict) -> dict[str, Any]:
    """For every seed the perplexities, and the windows of every batch as they were read."""
    vocab, perplexities = s.Vocab(text), []
    windows: list[list] = []

    def reader(inputs: Any, state: tuple, params: Any) -> Any:
        windows[-1].append(np.array([X.argmax(axis=1).asnumpy() for X in inputs]).T.astype(int).tolist())
        return s.rnn(inputs, state, params)

    for seed in seeds:
        windows.append([])
        found = s.train_and_predict_rnn(
            reader, s.get_params, s.init_rnn_state, hidden_dim, vocab, vocab.encode(text),
            ctx=mx.cpu(), prefixes=(), seed=seed, **settings,
        )  # fmt: skip
        perplexities.append([float(p) for p in found])
    return {"perplexities": perplexities, "windows": windows}


def drive_learning(s: Any, text: str, hidden_dim: int, settings: dict) -> dict[str, np.ndarray]:
    """The parameters that train_and_predict_rnn has made of new ones."""
    vocab, made = s.Vocab(text), []

    def kept(*args: Any, **options: Any) -> Any:
        made.append(s.get_params(*args, **options))
        return made[-1]

    s.train_and_predict_rnn(
        s.rnn, kept, s.init_rnn_state, hidden_dim, vocab, vocab.encode(text),
        ctx=mx.cpu(), prefixes=(), **settings,
    )  # fmt: skip
    return {name: param.asnumpy() for name, param in made[-1]._asdict().items()}


# --- checks ---------------------------------------------------------------------------------------


def only(*keys: str, rtol: float = RTOL) -> Check:
    """A check of some entries of an answer that is a dict: the others are judged by other cases."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        return differs({key: answer[key] for key in keys}, {key: expected[key] for key in keys}, rtol=rtol)

    return check


def _prints(answer: Any, expected: Any, inputs: dict) -> str | None:
    """Every pred_period epochs the epoch, its perplexity, and a line for every prefix."""
    console, settings = answer["console"], inputs["settings"]
    period, lines = settings["pred_period"], console.splitlines()
    for epoch in range(period, settings["num_epochs"] + 1, period):
        perplexity = expected["perplexities"][epoch - 1]
        told = [re.findall(r"\d+(?:\.\d+)?", line) for line in lines if line.startswith(f"epoch {epoch},")]
        if len(told) != 1:
            return f"one line that begins with 'epoch {epoch},' is expected, and there are {len(told)}"
        if len(told[0]) < 2 or abs(float(told[0][1]) - perplexity) > 0.01 * perplexity:
            return f"in the line of epoch {epoch} its perplexity is expected after the epoch"
    for text in re.findall(r"(?m)^ - (.*)$", expected["console"]):
        if not any(line.strip().lstrip("- ").strip() == text.strip() for line in lines):
            prefix = next(p for p in settings["prefixes"] if text.startswith(p))
            return (
                f"a line that continues {prefix!r} by {settings['pred_len']} characters, with the parameters "
                "of that epoch, is expected"
            )
    if lines and len(lines) != len(expected["console"].splitlines()):
        return f"{len(expected['console'].splitlines())} lines are expected, not {len(lines)}"
    return None


def _follows_the_seed(answer: Any, expected: Any, inputs: dict) -> str | None:
    """Perplexities 0 and 1 are of one seed, 2 of another."""
    first, again, other = answer["perplexities"]
    if differs(first, again):
        return "the same seed gives other perplexities"
    if not differs(first, other, rtol=1e-7, atol=0):
        return "another seed gives the same perplexities"
    return None


def _shuffles_anew(answer: Any, expected: Any, inputs: dict) -> str | None:
    num_batches = len(expected["windows"][0]) // inputs["settings"]["num_epochs"]
    read = answer["windows"][0]
    if len(read) != len(expected["windows"][0]):
        return f"{len(expected['windows'][0])} batches are expected in all, not {len(read)}"
    epochs = [read[i : i + num_batches] for i in range(0, len(read), num_batches)]
    for epoch in epochs:
        windows = sorted(window for batch in epoch for window in batch)
        wanted = sorted(window for batch in expected["windows"][0][:num_batches] for window in batch)
        if windows != wanted:
            return "an epoch has other windows than those the sampler cuts"
    if all(epoch == epochs[0] for epoch in epochs):
        return "every epoch has its batches in the same order"
    return None


def _perplexity_of(answer: Any, inputs: dict) -> float:
    """The perplexity of parameters that came back, on the text they were trained on, by our forward pass."""
    vocab, hidden_dim = d2lrnn.Vocab(inputs["text"]), inputs["hidden_dim"]
    if {name: array.shape for name, array in answer.items()} != shapes_of(NAMES, len(vocab), hidden_dim):
        raise ValueError("these are not the parameters of this network")
    params = new_params({name: answer[name] for name in NAMES})
    indices = vocab.encode(inputs["text"])
    return d2lrnn.evaluate(d2lrnn.rnn, params, d2lrnn.init_rnn_state, indices, 4, 20, mx.cpu())


def _has_learnt(answer: Any, expected: Any, inputs: dict) -> str | None:
    perplexity = _perplexity_of(answer, inputs)
    if perplexity <= expected:
        return None
    guess = len(set(inputs["text"]))
    return (
        f"the perplexity of the trained parameters is {perplexity:.1f}: at most {expected:g} is expected, "
        f"and a blind guess has {guess}"
    )


# --- inputs ---------------------------------------------------------------------------------------


def _params(rng: np.random.Generator, vocab_size: int, hidden_dim: int, scale: float = 0.6) -> dict:
    each = shapes_of(NAMES, vocab_size, hidden_dim)
    return {name: normal(rng, *shape, scale=scale) for name, shape in each.items()}


def draw_batches(rng: np.random.Generator, vocab_size: int, shapes: list[tuple[int, int]]) -> list:
    """Pairs (data, label), one of each shape."""
    return [[rng.integers(vocab_size, size=shape).tolist() for _ in ("data", "label")] for shape in shapes]


def _drawn(
    rng: np.random.Generator, is_random_iter: bool, *, num_batches: int = 1, **options: Any
) -> dict[str, Any]:
    """Weights and batches; random batches differ in both sizes, consecutive ones in num_steps only.

    Of several random ones some may have one row. A single one has more: with one row, or with one step,
    the order of its labels could not be wrong.
    """
    vocab_size, hidden_dim, batch_size = (int(n) for n in rng.integers((4, 3, 2), (8, 6, 4)))
    low = (1, 2) if num_batches > 1 else (2, 3)
    sizes = [
        (rows if is_random_iter else batch_size, num_steps)
        for rows, num_steps in rng.integers(low, (5, 6), size=(num_batches, 2)).tolist()
    ]
    return _batches_of(rng, vocab_size, hidden_dim, sizes, is_random_iter, **options)


def _batches_of(
    rng: np.random.Generator, vocab_size: int, hidden_dim: int, shapes: list[tuple[int, int]],
    is_random_iter: bool, theta: float = UNBOUNDED, lr: float = 0.5,
) -> dict[str, Any]:  # fmt: skip
    return {
        "params": _params(rng, vocab_size, hidden_dim),
        "batches": draw_batches(rng, vocab_size, shapes),
        "is_random_iter": is_random_iter,
        "theta": theta,
        "lr": lr,
    }


def _example(shapes: list[tuple[int, int]], is_random_iter: bool, **options: Any) -> dict[str, Any]:
    return _batches_of(np.random.default_rng(3), 3, 2, shapes, is_random_iter, **options)


def _with_state(inputs: dict, rng: np.random.Generator) -> dict[str, Any]:
    rows, hidden_dim = len(inputs["batches"][0][0]), len(inputs["params"]["b_h"])
    return {**inputs, "state_from": rng.normal(size=(rows, hidden_dim)).astype("float32")}


def _draw_text(rng: np.random.Generator) -> dict[str, Any]:
    """Weights of an rnn, and a text that evaluate cuts into several pieces, the last of them short."""
    vocab_size, hidden_dim, batch_size, num_steps = (int(n) for n in rng.integers((4, 3, 2, 3), (8, 6, 4, 6)))
    row_len = num_steps * int(rng.integers(2, 4)) + 2  # one target in the last piece
    return {
        "params": _params(rng, vocab_size, hidden_dim, scale=1.5),
        "indices": rng.integers(vocab_size, size=batch_size * row_len + 1).tolist(),
        "batch_size": batch_size,
        "num_steps": num_steps,
    }


def _draw_short_text(rng: np.random.Generator) -> dict[str, Any]:
    """The same in one piece; now and then there are more rows asked for than characters to fill them."""
    inputs = _draw_text(rng)
    indices = inputs["indices"][: int(rng.integers(5, 9))]
    return {**inputs, "indices": indices, "batch_size": int(rng.integers(1, 7)), "num_steps": 9}


def _draw_loop(rng: np.random.Generator, optimizer: str, **settings: Any) -> dict[str, Any]:
    """A short text of few letters, weights, and settings of a run on consecutive batches."""
    letters = "abcdefg"[: int(rng.integers(3, 6))]
    text = letters + "".join(rng.choice(list(letters), size=int(rng.integers(16, 26))))
    return _loop_of(rng, text, int(rng.integers(3, 6)), optimizer, **settings)


def _loop_of(
    rng: np.random.Generator, text: str, hidden_dim: int, optimizer: str, **settings: Any
) -> dict[str, Any]:
    settings = {
        "is_random_iter": False, "num_epochs": 3, "num_steps": 4, "batch_size": 2, "clipping_theta": 0.5,
        "lr": 0.05 if optimizer == "adam" else 1.0, "optimizer": optimizer, "pred_period": 100,
        "prefixes": [], **settings,
    }  # fmt: skip
    return {"text": text, "params": _params(rng, len(set(text)), hidden_dim), "settings": settings}


SHUFFLED = {"num_epochs": 2, "num_steps": 3, "batch_size": 2, "lr": 0.1, "clipping_theta": 1.0}
PRINTED: dict[str, Any] = {"num_epochs": 4, "pred_period": 2, "pred_len": 5, "prefixes": ["ab", "c"]}
LEARNING = {
    "num_epochs": 9, "num_steps": 8, "batch_size": 16, "lr": 0.06, "clipping_theta": 1.0,
    "optimizer": "adam",
}  # fmt: skip


def _draw_seeds(rng: np.random.Generator) -> dict[str, Any]:
    seed, other = (int(n) for n in rng.choice(1000, size=2, replace=False))
    text = "abcd" + "".join(rng.choice(list("abcd"), size=20))
    return {"text": text, "hidden_dim": 4, "seeds": [seed, seed, other], "settings": SHUFFLED}


def _draw_windows(rng: np.random.Generator) -> dict[str, Any]:
    text = "abcd" + "".join(rng.choice(list("abcd"), size=40))  # so many that no order comes twice by chance
    return {"text": text, "hidden_dim": 4, "seeds": [int(rng.integers(1000))], "settings": SHUFFLED}


def _draw_lyrics(rng: np.random.Generator) -> dict[str, Any]:
    lyrics = d2lrnn.load_corpus("lyrics")
    start = int(rng.integers(len(lyrics) - 400))
    settings = {**LEARNING, "seed": int(rng.integers(1000))}
    return {"text": lyrics[start : start + 400], "hidden_dim": 24, "settings": settings}


# --- the cases ------------------------------------------------------------------------------------

of_batches = partial(Case, function="train_batches", lesson=9, drive=drive_batches)
of_epoch = partial(Case, function="train_epoch", lesson=9, drive=drive_epoch)
of_evaluate = partial(Case, function="evaluate", lesson=9, drive=drive_evaluate)
of_loop = partial(Case, function="train_and_predict_rnn", lesson=9)

ONE_BATCH = of_batches(
    name="one batch: its loss, its characters, its state, and a step down the gradient",
    example=_example([(2, 3)], True),
    draw=partial(_drawn, is_random_iter=True),
    check=only("nats", "characters", "states", "params"),
)
CLIPPED = of_batches(
    name="gradients are clipped before the step",
    example=_example([(2, 2)], True, theta=0.01, lr=1.0),
    draw=partial(_drawn, is_random_iter=True, theta=0.01),
    check=only("params", "gradients"),
)
ANEW = of_batches(
    name="random batches each start from a state of zeros",
    example=_example([(2, 2), (2, 2)], True),
    draw=lambda rng: _batches_of(rng, 5, 4, [(3, int(n)) for n in rng.integers(2, 6, size=3)], True),
    check=only("starts"),
)
CARRIED = of_batches(
    name="consecutive batches carry the state on",
    example=_example([(2, 2), (2, 2)], False),
    draw=partial(_drawn, is_random_iter=False, num_batches=3),
    check=only("starts", "states"),
)
DETACHED = of_batches(
    name="the state that is carried on is cut off from the graph of the batch before",
    drive=drive_given,
    example=_with_state(_example([(2, 2)], False), np.random.default_rng(1)),
    draw=lambda rng: _with_state(_drawn(rng, False), rng),
    check=only("starts", "params"),
)
COUNTED = of_epoch(
    name="the perplexity counts every character alike",
    example=_example([(2, 3), (1, 1)], True, lr=0.0),
    draw=partial(_drawn, is_random_iter=True, num_batches=4, lr=0.0),
    check=only("perplexity"),
)
RANDOM_EPOCH, CONSECUTIVE_EPOCH = (
    of_epoch(
        name=f"an epoch of {kind} batches trains the parameters",
        example=_example([(2, 2), (2, 2)], is_random_iter, theta=0.5),
        draw=partial(_drawn, is_random_iter=is_random_iter, num_batches=3, theta=0.5),
        check=only("params"),
        mistakes=(
            Mistake("the parameters have not moved", shows=lambda answer, expected, inputs: (
                not differs(answer["params"], inputs["params"])
            )),
        ),
    )
    for kind, is_random_iter in (("random", True), ("consecutive", False))
)  # fmt: skip
ONE_PIECE = of_evaluate(
    name="evaluate measures a text that it reads in one piece",
    example={
        "params": _params(np.random.default_rng(1), 3, 2),
        "indices": [0, 1, 2, 1, 0, 2],
        "batch_size": 2,
        "num_steps": 5,
    },
    draw=_draw_short_text,
    check=only("perplexity"),
)
PIECES = of_evaluate(
    name="each row is read to its end, piece by piece, and every target counts alike",
    example={
        "params": _params(np.random.default_rng(1), 3, 2, scale=2.0),
        "indices": [0, 1, 2, 1, 0, 2, 2, 0],
        "batch_size": 2,
        "num_steps": 2,
    },
    draw=_draw_text,
    check=only("perplexity"),
)
UNTOUCHED = of_evaluate(
    name="evaluate leaves the parameters alone",
    example=PIECES.example,
    draw=_draw_text,
    check=only("params", "gradients"),
    mistakes=(
        Mistake(
            "measuring must not train: neither the parameters nor their gradients may change",
            shows=lambda *_: True,
        ),
    ),
)
GRADIENT_DESCENT, ADAM = (
    of_loop(
        name=f"the loop trains with {optimizer} as many epochs as asked for",
        drive=drive_loop,
        example=_loop_of(np.random.default_rng(1), "abcab" * 5, 2, optimizer),
        draw=partial(_draw_loop, optimizer=optimizer),
        check=only("perplexities", "params", rtol=1e-3),
        mistakes=(
            Mistake(
                "one perplexity for every epoch is expected, in a list",
                shows=lambda answer, expected, inputs: (
                    len(answer["perplexities"]) != len(expected["perplexities"])
                ),
            ),
        ),
    )
    for optimizer in ("sgd", "adam")
)
SEEDED = of_loop(
    name="the same seed gives the same numbers, and another seed others",
    drive=drive_seeds,
    example={"text": "abcd" * 6, "hidden_dim": 2, "seeds": [1, 1, 2], "settings": SHUFFLED},
    draw=_draw_seeds,
    check=_follows_the_seed,
    mistakes=(
        Mistake(
            "the seed does not fix all random numbers: new parameters come from MXNet's generator, the "
            "windows from numpy's",
            shows=lambda answer, *_: (
                differs(answer["perplexities"][0], answer["perplexities"][1]) is not None
            ),
        ),
    ),
)
SHUFFLES = of_loop(
    name="every epoch reads all windows, in an order of its own",
    drive=drive_seeds,
    example={"text": "abcdbdacddbacabdcbdab" * 2 + "a", "hidden_dim": 2, "seeds": [1], "settings": SHUFFLED},
    draw=_draw_windows,
    check=_shuffles_anew,
    mistakes=(
        Mistake(
            "the windows are shuffled alike in every epoch: one generator, made once, serves all epochs",
            shows=lambda answer, expected, inputs: (
                "same order" in (_shuffles_anew(answer, expected, inputs) or "")
            ),
        ),
    ),
)
PRINTS = of_loop(
    name="every pred_period epochs the perplexity is printed, and each prefix continued",
    drive=drive_loop,
    example=_loop_of(np.random.default_rng(1), "abcab" * 5, 2, "sgd", **PRINTED),
    draw=partial(_draw_loop, optimizer="sgd", **PRINTED),
    check=_prints,
    mistakes=(Mistake("nothing is printed", shows=lambda answer, *_: not answer["console"].strip()),),
)
LEARNS = of_loop(
    name="it learns a piece of our lyrics",
    drive=drive_learning,
    example={
        "text": d2lrnn.load_corpus("lyrics")[:400],
        "hidden_dim": 24,
        "settings": {**LEARNING, "seed": 0},
    },
    draw=_draw_lyrics,
    check=_has_learnt,
    expect=lambda inputs: TRAINED_PERPLEXITY,
)

CASES = [
    ONE_BATCH, CLIPPED, ANEW, CARRIED, DETACHED, COUNTED, RANDOM_EPOCH, CONSECUTIVE_EPOCH, ONE_PIECE, PIECES,
    UNTOUCHED, GRADIENT_DESCENT, ADAM, SEEDED, SHUFFLES, PRINTS, LEARNS,
]  # fmt: skip
