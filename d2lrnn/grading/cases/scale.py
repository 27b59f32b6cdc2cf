"""Lesson 18: Kneser-Ney counts, their discounts, and what networks and counts give the same targets."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..case import Case, Mistake, differs, refused, within
from .driving import refusal
from .rnn import NAMES, named, normal, shapes_of

# --- drivers --------------------------------------------------------------------------------------


def drive_probabilities(
    s: Any, indices: list[int], vocab_size: int, order: int, asked: list, discounts: list
) -> Any:
    """The probabilities of all characters of asked, from the first one on."""
    model = s.KneserNey(indices, vocab_size, order, discounts=discounts)
    return np.asarray(model.probabilities(asked, 0), dtype=float)


def drive_one(
    s: Any, indices: list[int], vocab_size: int, order: int, asked: list, discounts: list
) -> list[float]:
    """P(char | context) for every [char, context] that is asked."""
    model = s.KneserNey(indices, vocab_size, order, discounts=discounts)
    return [float(model.probability(char, context)) for char, context in asked]


def drive_distribution(
    s: Any, indices: list[int], vocab_size: int, order: int, context: list, modified: bool
) -> Any:
    """The distribution after a context, by the discounts that the model estimates."""
    model = s.KneserNey(indices, vocab_size, order, modified=modified)
    return np.asarray(model.distribution(context), dtype=float)


def drive_rows(s: Any, indices: list[int], vocab_size: int, order: int, rows: np.ndarray) -> Any:
    """The probabilities of the targets of rows."""
    return np.asarray(s.KneserNey(indices, vocab_size, order).probabilities(rows), dtype=float)


def drive_bad_models(s: Any, indices: list[int], vocab_size: int, bad: list[dict]) -> dict[str, Any]:
    """The errors that bad arguments cause, and what a good model says."""
    KneserNey = s.KneserNey
    given: dict[str, Any] = {"indices": indices, "order": 2, "discounts": [0.5, 0.5]}

    def build(indices: list[int], order: int, discounts: list) -> Any:
        return KneserNey(indices, vocab_size, order, discounts=discounts)

    errors = [refusal(partial(build, **{**given, **arguments})) for arguments in bad]
    return {"errors": errors, "right": float(build(**given).probability(indices[1], indices[:1]))}


def drive_discounts(s: Any, counts: np.ndarray, modified: bool) -> Any:
    """The discounts that counts suggest."""
    return np.asarray(s.estimate_discounts(counts, modified=modified), dtype=float)


def drive_cut(s: Any, indices: list[int], batch_size: int, vocab_size: int) -> list[list[int]]:
    """The rows."""
    return np.asarray(s.cut_rows(indices, batch_size, vocab_size)).tolist()


def drive_too_short(s: Any, indices: list[int], vocab_size: int) -> list[str]:
    """The error that a single character causes."""
    cut_rows = s.cut_rows
    return refusal(lambda: cut_rows(indices, 2, vocab_size))


def drive_network(s: Any, params: dict, rows: np.ndarray, num_steps: int) -> Any:
    """What the rnn of lesson 4 gives the targets of rows."""
    p = s.network_probabilities(s.rnn, named(params), s.init_rnn_state, rows, num_steps)
    return np.asarray(p, dtype=float)


def drive_mean(s: Any, probabilities: np.ndarray) -> float:
    """The perplexity of all of them."""
    return float(s.mean_perplexity(probabilities))


def drive_mean_of_some(s: Any, probabilities: np.ndarray, where: np.ndarray) -> float:
    """The perplexity of some of them."""
    return float(s.mean_perplexity(probabilities, where=where))


# --- checks ---------------------------------------------------------------------------------------


def _all_refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    if len(answer["errors"]) != len(inputs["bad"]):
        return f"{len(inputs['bad'])} answers are expected"
    for bad, errors in zip(inputs["bad"], answer["errors"]):
        if not {"ValueError", "IndexError"} & {*errors}:
            return f"{bad} gives {errors[0] if errors else 'an answer'}: a ValueError is expected"
    return differs(answer["right"], expected["right"])


def _sums_to_more_or_less(answer: Any, *_: Any) -> bool:
    return answer.ndim == 1 and abs(answer.sum() - 1) > 1e-3


# --- inputs ---------------------------------------------------------------------------------------


def _ints(rng: np.random.Generator, most: int, size: int) -> list[int]:
    return rng.integers(most, size=size).tolist()


def _skewed(rng: np.random.Generator, most: int, size: int) -> list[int]:
    """Some characters are frequent and some rare, as in a text: then counts of counts differ."""
    return np.minimum(rng.geometric(0.35, size=size) - 1, most - 1).tolist()


def _draw_model(rng: np.random.Generator, low: int, high: int) -> dict[str, Any]:
    vocab_size = int(rng.integers(5, 8))
    return {
        "indices": _skewed(rng, vocab_size - 1, int(rng.integers(60, 90))),
        "vocab_size": vocab_size,
        "order": int(rng.integers(low, high + 1)),
    }


def _draw_counted(rng: np.random.Generator, low: int, high: int) -> dict[str, Any]:
    model = _draw_model(rng, low, high)
    discounts = rng.uniform(0.2, 0.9, size=model["order"]).round(2).tolist()
    return {**model, "asked": _ints(rng, model["vocab_size"], 12), "discounts": discounts}


def _draw_three(rng: np.random.Generator) -> dict[str, Any]:
    inputs = _draw_counted(rng, 2, 3)
    three = (rng.uniform(0.3, 0.9, size=(inputs["order"], 3)) * [1, 2, 3]).round(2).tolist()
    return {**inputs, "discounts": three, "asked": [*inputs["indices"][:12]]}


def _draw_contexts(rng: np.random.Generator) -> dict[str, Any]:
    """Contexts that are long, short, unseen, or end the text."""
    model = _draw_model(rng, 2, 4)
    V, indices = model["vocab_size"], model["indices"]
    contexts = [_ints(rng, V, int(n)) for n in rng.integers(0, 6, size=6)]
    contexts += [indices[-3:], [V - 1, *indices[4:6]], [0, V - 1], [V - 1]]
    asked = [[int(rng.integers(V)), context] for context in contexts]
    return {**model, "asked": asked, "discounts": [0.6] * model["order"]}


def _draw_distribution(rng: np.random.Generator) -> dict[str, Any]:
    """A model, and a context that fills its history."""
    model = _draw_model(rng, 2, 3)
    context = model["indices"][: int(rng.integers(model["order"] - 1, 5))]
    return {**model, "context": context, "modified": bool(rng.integers(2))}


def _draw_rows(rng: np.random.Generator) -> dict[str, Any]:
    """Rows that would often have been seen behind each other."""
    model = _draw_model(rng, 3, 3)
    shape = 20, int(rng.integers(3, 7))
    return {**model, "rows": np.array(_skewed(rng, model["vocab_size"], shape[0] * shape[1])).reshape(shape)}


def _draw_counts(rng: np.random.Generator, modified: bool) -> dict[str, Any]:
    times = np.array([60, 30, 16, 9, 5]) + rng.integers(0, 4, size=5)
    return {"counts": rng.permutation(np.repeat([1, 2, 3, 4, 7], times)), "modified": modified}


def _draw_network(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, hidden_dim = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    params = {name: normal(rng, *shape) for name, shape in shapes_of(NAMES, vocab_size, hidden_dim).items()}
    rows = rng.integers(vocab_size, size=(int(rng.integers(2, 4)), int(rng.integers(6, 10))))
    return {"params": params, "rows": rows, "num_steps": int(rng.integers(2, 5))}


def _draw_mean(rng: np.random.Generator) -> dict[str, Any]:
    return {"probabilities": rng.uniform(0.01, 1, size=(2, 5))}


def _draw_some(rng: np.random.Generator) -> dict[str, Any]:
    where = rng.permutation([True, False] * 5).reshape(2, 5)
    return {**_draw_mean(rng), "where": where}


# --- the cases ------------------------------------------------------------------------------------

ABABC = {"indices": [0, 1, 0, 1, 2], "vocab_size": 4}
SMALL = _draw_network(np.random.default_rng(1))
of_counts = partial(Case, function="KneserNey", lesson=18)
of_discounts = partial(Case, function="estimate_discounts", lesson=18, drive=drive_discounts)
of_rows = partial(Case, function="cut_rows", lesson=18)
of_networks = partial(Case, function="network_probabilities", lesson=18, drive=drive_network)
of_means = partial(Case, function="mean_perplexity", lesson=18)
CASES = [
    of_counts(
        name="for the longest strings it counts how often they occur",
        drive=drive_probabilities,
        example={**ABABC, "order": 1, "asked": [0, 1, 2, 3], "discounts": [0.5]},
        draw=partial(_draw_counted, low=1, high=1),
        mistakes=(
            Mistake("the numbers are not probabilities: they do not sum to 1", shows=_sums_to_more_or_less),
        ),
    ),
    of_counts(
        name="for shorter ones it counts how many different characters stand before them",
        drive=drive_probabilities,
        example={**ABABC, "order": 2, "asked": [1, 0, 1, 2, 2, 3], "discounts": [0.5, 0.6]},
        draw=partial(_draw_counted, low=2, high=4),
    ),
    of_counts(
        name="counts of 1, of 2, and of 3 and more may have discounts of their own",
        drive=drive_probabilities,
        example={
            "indices": [0, 1, 0, 1, 2, 0, 1], "vocab_size": 3, "order": 2, "asked": [0, 1, 0, 1, 2],
            "discounts": [[0.5, 0.8, 1.1], [0.6, 1.0, 1.4]],
        },
        draw=_draw_three,
    ),
    of_counts(
        name="only the end of a long context counts, and of an unseen one only the part that was seen",
        drive=drive_one,
        example={**ABABC, "order": 3, "asked": [[2, [0, 1]], [2, [3, 0, 1]], [2, [3, 1]], [0, [2]]],
                 "discounts": [0.5, 0.6, 0.7]},
        draw=_draw_contexts,
    ),
    of_counts(
        name="the discounts are those that the counts of its own order suggest",
        drive=drive_distribution,
        example={
            "indices": _skewed(np.random.default_rng(1), 4, 30), "vocab_size": 5, "order": 2, "context": [0],
            "modified": True,
        },
        draw=_draw_distribution,
        mistakes=(
            Mistake("the numbers are not probabilities: they do not sum to 1", shows=_sums_to_more_or_less),
        ),
    ),
    of_counts(
        name="rows are read one by one",
        drive=drive_rows,
        example={**ABABC, "order": 3, "rows": np.array([[0, 1, 0], [1, 0, 1]])},
        draw=_draw_rows,
    ),
    of_counts(
        name="an order, a discount or a text that makes no model is refused",
        drive=drive_bad_models,
        example={
            **ABABC,
            "bad": [{"order": 0}, {"discounts": [0.5, 0]}, {"discounts": [0.5]}, {"indices": []}],
        },
        draw=lambda rng: {
            "indices": _ints(rng, 4, 12),
            "vocab_size": 4,
            "bad": [
                {"order": -int(rng.integers(1, 4))},
                {"discounts": [float(rng.uniform(1.1, 2)), 0.5]},
                {"indices": [0, 1, 4]},
            ],
        },
        check=_all_refused,
    ),
    of_discounts(
        name="one discount comes from the strings that occur once and twice",
        example={"counts": np.array([1, 1, 1, 1, 2, 2, 3, 4]), "modified": False},
        draw=partial(_draw_counts, modified=False),
    ),
    of_discounts(
        name="three discounts come from the strings that occur up to four times",
        example={"counts": np.repeat([1, 2, 3, 4, 9], [10, 5, 3, 2, 1]), "modified": True},
        draw=partial(_draw_counts, modified=True),
    ),
    of_discounts(
        name="with too few strings to tell, the discount is 0.75",
        example={"counts": np.array([3, 4]), "modified": False},
        draw=lambda rng: {
            "counts": np.full(int(rng.integers(2, 9)), int(rng.integers(1, 4))), "modified": True
        },
    ),
    of_rows(
        name="each row goes on where the one before it ended, and what fills no row is left out",
        drive=drive_cut,
        example={"indices": [0, 1, 2, 3, 4, 5, 6], "batch_size": 2, "vocab_size": 7},
        draw=lambda rng: {
            "indices": _ints(rng, 9, int(rng.integers(11, 30))),
            "batch_size": int(rng.integers(2, 5)),
            "vocab_size": 9,
        },
    ),
    of_rows(
        name="a short text has fewer rows: each has a target",
        drive=drive_cut,
        example={"indices": [0, 1, 2, 3, 4], "batch_size": 9, "vocab_size": 5},
        draw=lambda rng: {
            "indices": _ints(rng, 5, int(rng.integers(4, 9))), "batch_size": 20, "vocab_size": 5
        },
    ),
    of_rows(
        name="a single character has no target: a ValueError",
        drive=drive_too_short,
        example={"indices": [3], "vocab_size": 5},
        draw=lambda rng: {"indices": _ints(rng, 5, 1), "vocab_size": int(rng.integers(5, 90))},
        check=refused("ValueError"),
    ),
    of_networks(
        name="the probability is that of the next character, and the state is carried along each row",
        example=SMALL,
        draw=_draw_network,
        check=within(rtol=1e-3),
    ),
    of_means(
        name="the perplexity is exp of the mean of -log p",
        drive=drive_mean,
        example={"probabilities": np.array([[0.5, 0.25]])},
        draw=_draw_mean,
    ),
    of_means(
        name="only the chosen targets count",
        drive=drive_mean_of_some,
        example={"probabilities": np.array([[0.5, 0.25]]), "where": np.array([[True, False]])},
        draw=_draw_some,
    ),
]  # fmt: skip
