"""Lesson 14: counts, the same targets as a network's, when to stop, and what dropout drops."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import d2lrnn

import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs
from ..mistakes import told
from .driving import refusal
from .rnn import NAMES, named, normal, one_hots, shapes_of

# --- drivers --------------------------------------------------------------------------------------


def drive_probabilities(
    s: Any, indices: list[int], vocab_size: int, order: int, discount: float, asked: list
) -> list[float]:
    """P(char | context) for every [char, context] that is asked."""
    model = s.CountModel(indices, vocab_size, order, discount=discount)
    return [float(model.probability(char, context)) for char, context in asked]


def drive_bad_models(s: Any, indices: list[int], vocab_size: int, bad: list[dict]) -> dict[str, Any]:
    """The errors that bad arguments cause, and what a good model says, which has counted nothing."""
    CountModel = s.CountModel
    given: dict[str, Any] = {"indices": indices, "vocab_size": vocab_size, "order": 2, "discount": 0.5}

    def build(indices: list[int], vocab_size: int, order: int, discount: float) -> Any:
        return CountModel(indices, vocab_size, order, discount=discount)

    errors = [refusal(partial(build, **{**given, **arguments})) for arguments in bad]
    return {"errors": errors, "right": float(build(**{**given, "order": 0}).probability(indices[1], []))}


def drive_counts(
    s: Any, training: list[int], vocab_size: int, order: int, indices: list[int], batch_size: int
) -> float:
    """The perplexity that evaluate_counts measures."""
    return float(s.evaluate_counts(s.CountModel(training, vocab_size, order), indices, batch_size))


def perplexities(run: list) -> list[float]:
    """A run as it was handed in, NaN where it says None."""
    return [math.nan if value is None else value for value in run]


def drive_best(s: Any, runs: list[list]) -> list[int]:
    """The best epoch of every run."""
    return [s.best_epoch(perplexities(run)) for run in runs]


def drive_no_best(s: Any, run: list) -> dict[str, Any]:
    """The error that a run without a number causes, and the best epoch of a good one."""
    best_epoch = s.best_epoch
    return {"error": refusal(lambda: best_epoch(perplexities(run))), "right": best_epoch([3.0, 2.0])}


def drive_stop(s: Any, runs: list[list], patience: int) -> list[bool]:
    """Whether to stop after every run."""
    return [s.should_stop(perplexities(run), patience) for run in runs]


def drive_dropout(s: Any, X: np.ndarray, p: float) -> dict[str, Any]:
    """X after dropout: in training twice, outside, recorded but not in training; and the gradient."""
    array = nd.array(X)
    array.attach_grad()
    measured = s.dropout(array, p).asnumpy()
    with autograd.record(train_mode=False):
        predicted = s.dropout(array, p).asnumpy()
    with autograd.record():
        again = s.dropout(array, p)
        trained = s.dropout(array, p)
    trained.backward()
    return {
        "training": trained, "again": again, "outside": measured, "predicting": predicted,
        "gradient": array.grad, "X": array,
    }  # fmt: skip


def drive_bad_p(s: Any, bad: list[float]) -> dict[str, Any]:
    """The errors that bad probabilities cause, and what p = 0 leaves."""
    dropout = s.dropout
    errors = [refusal(partial(dropout, nd.ones((2, 2)), p)) for p in bad]
    return {"errors": errors, "right": dropout(nd.ones((2, 2)), 0.0)}


def drive_rnn_dropout(
    s: Any, inputs: list, state: list, params: dict, p: float, training: bool
) -> dict[str, Any]:
    """The outputs and the new state of rnn_dropout."""
    arrays = [nd.array(X) for X in inputs], (nd.array(state[0]),), named(params)
    if training:
        with autograd.record():
            outputs, new_state = s.rnn_dropout(*arrays, p)
    else:
        outputs, new_state = s.rnn_dropout(*arrays, p)
    return {"outputs": list(outputs), "state": list(new_state)}


# --- checks ---------------------------------------------------------------------------------------


def _plain_rnn(inputs: dict) -> dict[str, Any]:
    """The outputs and the state without dropping."""
    outputs, new_state = d2lrnn.rnn(
        [nd.array(X) for X in inputs["inputs"]], (nd.array(inputs["state"][0]),), named(inputs["params"])
    )
    return {"outputs": [Y.asnumpy() for Y in outputs], "state": [S.asnumpy() for S in new_state]}


def _all_refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    if len(answer["errors"]) != len(inputs["bad"]):
        return f"{len(inputs['bad'])} answers are expected"
    for bad, errors in zip(inputs["bad"], answer["errors"]):
        if "ValueError" not in errors:
            return f"{bad} gives {errors[0] if errors else 'an answer'}: a ValueError is expected"
    return differs(answer["right"], expected["right"])


def _refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    if "ValueError" not in answer["error"]:
        return f"a ValueError is expected, not {answer['error'][0] if answer['error'] else 'an epoch'}"
    return differs(answer["right"], expected["right"])


def kept_wrong(Y: np.ndarray, X: np.ndarray, p: float) -> str | None:
    """What is wrong if Y is not X with some numbers dropped and the others divided by 1 - p."""
    if Y.shape != X.shape or Y.dtype.kind != "f":
        return f"floats of shape {X.shape} are expected"
    kept = Y != 0
    if differs(Y[kept], (X / (1 - p))[kept]):
        return f"a number that is kept was {X[kept][0]:g} and is {Y[kept][0]:g}: with p = {p:g} it grows"
    return None


def share_wrong(kept: np.ndarray, p: float) -> str | None:
    """What is wrong if the share that is not kept is far from p."""
    if abs(kept.mean() - (1 - p)) > 6 * math.sqrt(p * (1 - p) / kept.size):
        return f"a share of {1 - kept.mean():.2f} is dropped: about p = {p:g} is expected"
    return None


def _drops_a_share(answer: Any, expected: Any, inputs: dict) -> str | None:
    X, p = inputs["X"], inputs["p"]
    for key in ("training", "again"):
        fault = kept_wrong(answer[key], X, p) or share_wrong(answer[key] != 0, p)
        if fault:
            return fault
    if (answer["training"] == answer["again"]).all():
        return "two calls drop the same numbers: each call draws anew"
    return None


def _changes_nothing(answer: Any, expected: Any, inputs: dict) -> str | None:
    return differs([answer["outside"], answer["predicting"], answer["X"]], [inputs["X"]] * 3)


def _passes(answer: Any, expected: Any, inputs: dict) -> str | None:
    if answer["training"].shape != inputs["X"].shape:
        return f"an array of shape {inputs['X'].shape} is expected"
    if not 0 < (answer["training"] == 0).mean() < 1:
        return "in training some numbers are dropped, and some are not"
    return differs(answer["gradient"] * inputs["X"], answer["training"])


def _spares_the_state(answer: Any, expected: Any, inputs: dict) -> str | None:
    difference = differs(answer["state"], expected["state"])
    if difference:
        return difference
    if len(answer["outputs"]) != len(expected["outputs"]):
        return f"{len(expected['outputs'])} outputs are expected, not {len(answer['outputs'])}"
    if any(differs(Y, plain) is None for Y, plain in zip(answer["outputs"], expected["outputs"])):
        return "an output has nothing dropped: what goes up from H to the output is dropped, too"
    return None


def _drops_below(answer: Any, expected: Any, inputs: dict) -> str | None:
    (H,), params, p = answer["state"], inputs["params"], inputs["p"]
    A = inputs["inputs"][0] @ params["W_xh"]
    either = np.tanh(np.stack([np.zeros_like(A), A / (1 - p)]) + params["b_h"])
    if H.shape != A.shape or not (abs(H - either).min(axis=0) < 1e-4).all():
        return "a number of the new state is neither that of a dropped X W_xh nor that of a kept one"
    dropped = abs(H - either[0]) < abs(H - either[1])
    if abs(dropped.mean() - p) > 0.35:
        return (
            f"a share of {dropped.mean():.2f} is dropped on the way from below: about p = {p:g} is expected"
        )
    return None


# --- inputs ---------------------------------------------------------------------------------------


def _ints(rng: np.random.Generator, most: int, size: int) -> list[int]:
    return rng.integers(most, size=size).tolist()


def _draw_counts(rng: np.random.Generator, low: int, high: int) -> dict[str, Any]:
    """A text, a model of an order in low … high, and questions with long, short and unseen contexts."""
    vocab_size, order = int(rng.integers(4, 7)), int(rng.integers(low, high + 1))
    seen = vocab_size - 1  # the last character never occurs
    indices = _ints(rng, seen, int(rng.integers(20, 40)))
    contexts = [_ints(rng, vocab_size, int(n)) for n in rng.integers(0, 5, size=8)]
    contexts += [indices[i : i + max(order - 1, 0)] for i in (2, 5, 9)]
    contexts += [[vocab_size - 1, *indices[4:6]], [0, vocab_size - 1]]
    asked = [[int(rng.integers(vocab_size)), context] for context in contexts]
    discount = float(rng.choice([0.3, 0.5, 0.75, 0.9]))
    return {
        "indices": indices, "vocab_size": vocab_size, "order": order, "discount": discount,
        "asked": asked,
    }  # fmt: skip


def _draw_rows(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size = int(rng.integers(3, 6))
    return {
        "training": _ints(rng, vocab_size, 60),
        "vocab_size": vocab_size,
        "order": int(rng.integers(2, 4)),
        "indices": _ints(rng, vocab_size, int(rng.integers(17, 30))),
        "batch_size": int(rng.integers(2, 5)),
    }


def _draw_ties(rng: np.random.Generator, length: int) -> list[float]:
    """Perplexities, two of which are the lowest."""
    run = rng.integers(4, 8, size=length).astype(float)
    run[rng.choice(length, size=2, replace=False)] = 3.0
    return run.tolist()


def _draw_run(rng: np.random.Generator, length: int, *, ties: bool) -> list:
    """Perplexities, and in a longer run one that is not a number."""
    run: list = (3.0 + (rng.integers(5, size=length) if ties else rng.permutation(length))).tolist()
    if length > 3:
        run[int(rng.integers(1, length))] = None
    return run


def _draw_X(rng: np.random.Generator) -> dict[str, Any]:
    X = rng.uniform(0.5, 2, size=(80, 60)).astype(np.float32)
    return {"X": X, "p": float(rng.choice([0.2, 0.3, 0.6, 0.8]))}


def _draw_rnn(
    rng: np.random.Generator,
    training: bool,
    num_steps: int,
    batch_size: int,
    hidden_dim: int,
    below: float = 0.7,
) -> dict[str, Any]:
    """What rnn_dropout reads. below: the deviation of W_xh, 0 to hear nothing from below."""
    vocab_size = int(rng.integers(4, 8))
    return {
        "inputs": one_hots(rng, vocab_size, num_steps, batch_size),
        "state": [normal(rng, batch_size, hidden_dim, scale=0.3)],
        "params": {
            name: normal(rng, *shape, scale=below if name == "W_xh" else 0.3)
            for name, shape in shapes_of(NAMES, vocab_size, hidden_dim).items()
        },
        "p": 0.5,
        "training": training,
    }


def _draw_silent(rng: np.random.Generator) -> dict[str, Any]:
    return _draw_rnn(rng, True, int(rng.integers(2, 5)), 3, 40, below=0)


def _draw_one_step(rng: np.random.Generator) -> dict[str, Any]:
    inputs = _draw_rnn(rng, True, 1, 60, int(rng.integers(6, 10)))
    return {**inputs, "state": [np.zeros_like(inputs["state"][0])]}


# --- the cases ------------------------------------------------------------------------------------

ABAC = {"indices": [0, 1, 0, 2], "vocab_size": 4, "discount": 0.6}
DROPPED = Mistake(
    told("14_heldout_dropout_always"),
    shows=lambda answer, _, inputs: not all((answer[key] == inputs["X"]).all() for key in ("outside", "X")),
)
of_counts = partial(Case, function="CountModel", lesson=14, drive=drive_probabilities)
of_evaluation = partial(Case, function="evaluate_counts", lesson=14, drive=drive_counts)
of_best = partial(Case, function="best_epoch", lesson=14)
of_dropout = partial(Case, function="dropout", lesson=14, drive=drive_dropout)
of_rnn = partial(Case, function="rnn_dropout", lesson=14, drive=drive_rnn_dropout, expect=_plain_rnn)
COUNTS = [
    of_counts(
        name="order 0 is a blind guess, and order 1 adds one to every count",
        example={**ABAC, "order": 1, "asked": [[char, [0]] for char in range(4)]},
        draw=partial(_draw_counts, low=0, high=1),
        mistakes=(
            Mistake(
                "the numbers are not probabilities: they do not sum to 1",
                shows=lambda answer, _, inputs: (
                    len({tuple(context) for _, context in inputs["asked"]}) == 1
                    and abs(sum(answer) - 1) > 1e-3
                ),
            ),
        ),
    ),
    of_counts(
        name="a bigram gives up the discount, and the unigram shares it out",
        example={**ABAC, "order": 2, "asked": [*([char, [0]] for char in range(4)), [0, [1]], [0, [3]]]},
        draw=partial(_draw_counts, low=2, high=2),
    ),
    of_counts(
        name="a longer history falls back step by step, and only its end counts",
        example={**ABAC, "order": 3, "asked": [[2, [1, 0]], [2, [3, 0]], [2, [0]], [2, [3, 1, 0]]]},
        draw=partial(_draw_counts, low=3, high=4),
    ),
    of_counts(
        name="an order, a discount or a text that makes no model is a ValueError",
        drive=drive_bad_models,
        example={
            "indices": [0, 1, 0, 2],
            "vocab_size": 4,
            "bad": [{"order": -1}, {"discount": 0.0}, {"discount": 1.0}, {"indices": []}],
        },
        draw=lambda rng: {
            "indices": _ints(rng, 4, 12),
            "vocab_size": 4,
            "bad": [
                {"order": -int(rng.integers(1, 4))},
                {"discount": float(rng.uniform(1, 2))},
                {"indices": []},
            ],
        },
        check=_all_refused,
    ),
]
TARGETS = of_evaluation(
    name="the targets are those of evaluate: each row by itself, without its first character",
    example={
        "training": [0, 1] * 5,
        "vocab_size": 2,
        "order": 3,
        "indices": [0, 1, 0, 1],
        "batch_size": 2,
    },
    draw=_draw_rows,
)
MEAN = of_evaluation(
    name="the perplexity is exp of the mean of -log p",
    example={"training": [0, 1, 0, 2], "vocab_size": 4, "order": 1, "indices": [2, 0, 3, 1], "batch_size": 1},
    draw=lambda rng: {**_draw_rows(rng), "batch_size": 1},
)
BEST = of_best(
    name="the best epoch is the first of the lowest perplexity, counted from 1",
    drive=drive_best,
    example={"runs": [[9.0, 5.0, 7.0], [5.0, 5.0, 5.0]]},
    draw=lambda rng: {"runs": [_draw_ties(rng, int(n)) for n in rng.integers(2, 12, size=6)]},
)
NAN = of_best(
    name="a NaN is never the best epoch",
    drive=drive_best,
    example={"runs": [[None, 7.0, 6.0], [8.0, None, 9.0]]},
    draw=lambda rng: {
        "runs": [[None, *_draw_run(rng, int(n), ties=False)] for n in rng.integers(2, 9, size=6)]
    },
    mistakes=(
        Mistake(
            "a NaN, shown as None here, was taken for the best: every comparison with it is false",
            shows=lambda answer, _, inputs: any(
                run[epoch - 1] is None for run, epoch in zip(inputs["runs"], answer)
            ),
        ),
    ),
)
NO_BEST = of_best(
    name="without a number no epoch is the best: a ValueError",
    drive=drive_no_best,
    example={"run": []},
    draw=lambda rng: {"run": [None] * int(rng.integers(1, 90))},
    check=_refused,
)
STOP = Case(
    name="training stops when patience epochs have not been better than the best before them",
    function="should_stop",
    lesson=14,
    drive=drive_stop,
    example={
        "runs": [
            [9.0, 10.0],
            [9.0, 10.0, 8.0, 9.0],
            [9.0, 10.0, 8.0, 9.0, 9.0],
            [9.0, 11.0, 10.0],
            [9.0, None, None],
        ],
        "patience": 2,
    },
    draw=lambda rng: {
        "runs": [[], *(_draw_run(rng, int(n), ties=True) for n in rng.integers(1, 9, size=10))],
        "patience": int(rng.integers(1, 4)),
    },
    mistakes=(
        Mistake(
            "True and False are expected",
            shows=lambda answer, *_: not all(isinstance(stop, bool) for stop in answer),
        ),
    ),
)
DROPS = of_dropout(
    name="in training a share p is dropped, and the rest grows so that the mean stays",
    example={"X": np.full((80, 60), 3, np.float32), "p": 0.2},
    draw=_draw_X,
    check=_drops_a_share,
    mistakes=(
        Mistake(
            told("14_heldout_dropout_does_not_scale"),
            shows=lambda answer, _, inputs: (
                (answer["training"] == 0).any()
                and not differs(
                    *(array[answer["training"] != 0] for array in (answer["training"], inputs["X"]))
                )
            ),
        ),
        Mistake(
            "p is the probability to be dropped, not to be kept",
            shows=lambda answer, _, inputs: abs((answer["training"] == 0).mean() - 1 + inputs["p"]) < 0.05,
        ),
        Mistake(
            "nothing is dropped: autograd.is_training() is True under autograd.record",
            shows=lambda answer, _, inputs: (answer["training"] == inputs["X"]).all(),
        ),
    ),
)
OUTSIDE = of_dropout(
    name="outside training nothing changes",
    example={"X": np.array([[1, -2, 3], [0.5, 4, 6]], np.float32), "p": 0.5},
    draw=_draw_X,
    check=_changes_nothing,
    mistakes=(
        DROPPED,
        Mistake(
            "recording is not training: under autograd.record(train_mode=False) nothing is dropped",
            shows=lambda answer, _, inputs: not (answer["predicting"] == inputs["X"]).all(),
        ),
    ),
)
PASSES = of_dropout(
    name="the gradient passes where the number passed, grown alike",
    example={"X": np.full((80, 60), 3, np.float32), "p": 0.2},
    draw=_draw_X,
    check=_passes,
)
BAD_P = of_dropout(
    name="a probability that would make NaN is a ValueError",
    drive=drive_bad_p,
    example={"bad": [1.0, 1.5, -0.1]},
    draw=lambda rng: {"bad": [1.0, float(rng.uniform(1, 9)), -float(rng.uniform(0.01, 1))]},
    check=_all_refused,
)
MEASURED = of_rnn(
    name="outside training it is the rnn of lesson 4",
    example=_draw_rnn(np.random.default_rng(1), False, 2, 1, 2),
    draw=lambda rng: _draw_rnn(rng, False, 4, 3, 5),
)
SPARED = of_rnn(
    name="in training the way from state to state is spared, and that to the output is not",
    example=_draw_silent(np.random.default_rng(1)),
    draw=_draw_silent,
    check=_spares_the_state,
    mistakes=(
        Mistake(
            told("14_heldout_dropout_on_the_recurrent_way"),
            shows=lambda answer, *_: bool((answer["state"][0] == 0).any()),
        ),
        Mistake(
            "the way from H to the next H is to be spared: here nothing comes from below, so that H has to "
            "be that of lesson 4",
            shows=lambda answer, expected, inputs: differs(answer["state"], expected["state"]) is not None,
        ),
    ),
)
BELOW = of_rnn(
    name="in training what comes from below is dropped",
    example=_draw_one_step(np.random.default_rng(1)),
    draw=_draw_one_step,
    check=_drops_below,
    mistakes=(
        Mistake(
            "nothing is dropped on the way from below: X W_xh goes through dropout before it meets H",
            shows=lambda answer, expected, inputs: differs(answer["state"], expected["state"]) is None,
        ),
        Mistake(
            "the new state itself is dropped: it is what the next step remembers",
            shows=lambda answer, *_: bool((answer["state"][0] == 0).any()),
        ),
    ),
)

CASES = [
    *COUNTS, TARGETS, MEAN, BEST, NAN, NO_BEST, STOP, DROPS, OUTSIDE, PASSES, BAD_P, MEASURED, SPARED, BELOW,
]  # fmt: skip
