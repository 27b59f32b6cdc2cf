"""Lesson 19: tied parameters, what is dropped where, batches of variable length, and mixtures.

What is dropped, and how long batches are, is drawn, in any order: so it is judged by laws. A network of one
unit has so few masks that all its outputs can be computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ..case import Case, differs, within
from .driving import opened, refusal
from .heldout import kept_wrong, share_wrong
from .lstm import NAMES as LSTM_NAMES
from .rnn import named, normal, one_hots, out_of_order

NAMES = ("W_e", *LSTM_NAMES[:-2], "b_y")
DROPS = ("p_embedding", "p_in", "p_weights", "p_out")
SEEDS = 24

# --- drivers --------------------------------------------------------------------------------------


def drive_new(s: Any, vocab_size: int, hidden_dim: int, scale: float, indices: Any) -> Any:
    """New parameters in their order, and whether a gradient is attached to each."""
    mx.random.seed(0)
    params = s.get_tied_params(vocab_size, hidden_dim, mx.cpu(), scale=scale, indices=indices)
    found = opened(params)
    return {**found, "attached": [getattr(param, "grad", None) is not None for param in found["arrays"]]}


def drive_untie(s: Any, params: dict) -> Any:
    """The parameters of the ordinary network, after those of the tied one have been changed."""
    tied = named(params)
    ordinary = s.untie(tied)
    for param in tied:
        param[:] = 0
    return opened(ordinary)


def drive_mask(s: Any, function: str, X: np.ndarray, p: float) -> Any:
    """X in training twice, outside, and recorded but not in training; and the gradient of the second."""
    mx.random.seed(0)
    drop, array = getattr(s, function), nd.array(X)
    array.attach_grad()
    outside = drop(array, p)
    with autograd.record(train_mode=False):
        predicting = drop(array, p)
    with autograd.record():
        again = drop(array, p)
        trained = drop(array, p)
    trained.backward()
    return {
        "training": trained, "again": again, "outside": outside, "predicting": predicting,
        "gradient": array.grad,
    }  # fmt: skip


def drive_tied(s: Any, inputs: Any, state: Any, params: dict, own: Any) -> Any:
    """The outputs outside training, and the new state. own: a W_hy, or None."""
    arrays = [nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), named(params)
    options = {} if own is None else {"W_hy": nd.array(own)}
    outputs, new_state = s.tied_lstm(*arrays, **options)
    return {"outputs": nd.concat(*outputs, dim=0), "state": list(new_state)}


def drive_tied_gradients(s: Any, inputs: Any, state: Any, params: dict, weights: Any) -> Any:
    """The gradients of a weighted sum of all outputs, by the names of the parameters."""
    arrays = named(params)
    for param in arrays:
        param.attach_grad()
    with autograd.record():
        outputs, _ = s.tied_lstm([nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), arrays)
        loss = (nd.concat(*outputs, dim=0) * nd.array(weights)).sum()
    loss.backward()
    return {name: param.grad for name, param in arrays._asdict().items()}


def drive_tied_training(s: Any, inputs: Any, state: Any, params: dict, dropped: str, seeds: int) -> Any:
    """The outputs in training, once for each seed, with the share 0.5 of what is named dropped."""
    arrays = [nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), named(params)
    found = []
    for seed in range(seeds):
        mx.random.seed(seed)
        with autograd.record():
            outputs, _ = s.tied_lstm(*arrays, **{dropped: 0.5})
        found.append(nd.concat(*outputs, dim=0))
    return found


def drive_lengths(s: Any, row_len: int, num_steps: int, seed: int) -> Any:
    """The lengths, and those that the same seed gives once more."""
    first, again = (
        [int(n) for n in s.variable_lengths(row_len, num_steps, np.random.default_rng(seed))]
        for _ in range(2)
    )
    return {"lengths": first, "again": again}


def drive_batches(s: Any, corpus: Any, lengths: Any, batch_size: int, offset: int) -> Any:
    """All batches."""
    batches = s.data_iter_variable(corpus, lengths, batch_size, mx.cpu(), offset=offset)
    data, label = zip(*itertools.islice(batches, 200))
    return {"data": list(data), "label": list(label)}


def drive_too_long(s: Any, corpus: Any, lengths: Any, batch_size: int) -> Any:
    """The error that lengths beyond every row cause, and the data of the first batch without the last one."""
    data_iter = s.data_iter_variable
    error = refusal(lambda: next(iter(data_iter(corpus, lengths, batch_size, mx.cpu()))))
    data, _ = next(iter(data_iter(corpus, lengths[:-1], batch_size, mx.cpu())))
    return {"error": error, "right": data}


def drive_schedule(s: Any, lengths: Any, lr: float, num_steps: int, schedule: dict) -> Any:
    """The learning rate of each batch, as it is when the batch arrives, and how long the batch is."""
    optimizer, found = SimpleNamespace(t=0, lr=lr), []
    batches = [(nd.zeros((3, n)), nd.zeros((3, n))) for n in lengths]
    for data, label in s.scheduled_batches(batches, optimizer, lr, num_steps=num_steps, **schedule):
        found.append([float(optimizer.lr), data.shape[1], label.shape[1]])
        optimizer.t += 1
    return found


def drive_mixture(s: Any, probabilities: Any, weights: Any) -> Any:
    """The mixture with these weights, or without any."""
    rows = [np.array(p) for p in probabilities]
    return np.asarray(s.interpolate(rows) if weights is None else s.interpolate(rows, weights), np.float64)


def drive_bad_weights(s: Any, probabilities: Any, bad: Any) -> Any:
    """The errors that invalid weights cause, and the mean."""
    interpolate, rows = s.interpolate, [np.array(p) for p in probabilities]
    errors = [refusal(partial(interpolate, rows, weights)) for weights in bad]
    return {"errors": errors, "right": np.asarray(interpolate(rows), np.float64)}


def drive_weights(s: Any, probabilities: Any) -> Any:
    """The weights of the likeliest mixture."""
    return [float(w) for w in s.mixture_weights([np.array(p) for p in probabilities])]


# --- checks ---------------------------------------------------------------------------------------


def _is_new(answer: Any, expected: Any, inputs: dict) -> str | None:
    problem = out_of_order(answer, expected["names"])
    if problem:
        return problem
    if not all(answer["attached"]):
        return "a gradient is attached to each parameter: attach_grad()"
    for name, param, ours in zip(expected["names"], answer["arrays"], expected["arrays"]):
        if name.startswith("b"):
            fault = differs(param, ours, where=name)
        elif param.shape != ours.shape:
            fault = f"{name} has the shape {param.shape}: {ours.shape} is expected"
        else:
            spread = float(param.std())
            is_right = abs(spread / inputs["scale"] - 1) < 6 / math.sqrt(2 * param.size)
            fault = (
                None if is_right else f"the deviation of {name} is {spread:.3g}: scale is {inputs['scale']}"
            )
        if fault:
            return fault
    return None


def _is_untied(answer: Any, expected: Any, inputs: dict) -> str | None:
    return out_of_order(answer, expected["names"]) or differs(
        dict(zip(expected["names"], answer["arrays"])), dict(zip(expected["names"], expected["arrays"]))
    )


def _kept(answer: Any, inputs: dict, axes: tuple[int, ...], what: str) -> str | None:
    """One mask along axes, of which a share of p is 0, and 1 / (1 - p) else; what: one of its numbers."""
    X, p = inputs["X"], inputs["p"]
    for key in ("training", "again"):
        fault = kept_wrong(answer[key], X, p)
        if fault:
            return fault
        kept = answer[key] != 0
        mask = np.any(kept, axis=axes, keepdims=True)
        if (kept != mask).any():
            return f"{what} is dropped in part: it is dropped as a whole, or kept as a whole"
        if len(np.unique(mask.reshape(-1, mask.shape[-1]), axis=0)) == 1 < mask.size // mask.shape[-1]:
            return "the same places are dropped in all rows of the batch"
        fault = share_wrong(mask, p)
        if fault:
            return fault
    if (answer["training"] == answer["again"]).all():
        return "two calls drop the same: each call draws anew"
    return differs(answer["gradient"] * X, answer["training"], where="gradient")


def _rows_go(answer: Any, expected: Any, inputs: dict) -> str | None:
    return _kept(answer, inputs, (1,), "a character")


def _places_go(answer: Any, expected: Any, inputs: dict) -> str | None:
    return _kept(answer, inputs, (0,), "a place, in some steps and not in others,")


def _stays(answer: Any, expected: Any, inputs: dict) -> str | None:
    return differs([answer["outside"], answer["predicting"]], [inputs["X"]] * 2)


def _masks(dropped: str, batch_size: int, vocab_size: int) -> Iterator[dict[str, np.ndarray]]:
    """All that a network of one unit can drop of one thing, with p = 0.5."""
    size = {"p_embedding": vocab_size, "p_weights": 4}.get(dropped, batch_size)
    for bits in itertools.product((0.0, 2.0), repeat=size):
        yield {dropped: np.array(bits)}


def _outputs(inputs: dict, masks: dict[str, np.ndarray]) -> np.ndarray:
    """What a network of one unit says with these masks."""
    P = {name: np.float64(param) for name, param in inputs["params"].items()}
    rows, below, weights, above = (masks.get(name, np.ones(4)) for name in DROPS)
    column = {"p_in": below, "p_out": above}
    scale = {name: mask[:, None] if name in masks else 1.0 for name, mask in column.items()}
    W_read = P["W_e"] * rows[:, None] if "p_embedding" in masks else P["W_e"]
    (H, C), Y = (np.float64(S) for S in inputs["state"]), []
    for X in inputs["inputs"]:
        E = X @ W_read * scale["p_in"]
        i, f, o, c = (
            E @ P[f"W_x{gate}"] + H @ (P[f"W_h{gate}"] * weight) + P[f"b_{gate}"]
            for gate, weight in zip("ifoc", weights)
        )
        C = C / (1 + np.exp(-f)) + np.tanh(c) / (1 + np.exp(-i))
        H = np.tanh(C) / (1 + np.exp(-o))
        Y.append(H * scale["p_out"] @ P["W_e"].T + P["b_y"])
    return np.concatenate(Y)


def _drops_once(answer: Any, expected: Any, inputs: dict) -> str | None:
    dropped, (batch_size, vocab_size) = inputs["dropped"], inputs["inputs"][0].shape
    possible = [_outputs(inputs, masks) for masks in _masks(dropped, batch_size, vocab_size)]
    if len(answer) != inputs["seeds"]:
        return f"{inputs['seeds']} answers are expected"
    met = set()
    for Y in answer:
        if Y.shape != possible[0].shape:
            return f"outputs of shape {possible[0].shape} are expected, not {Y.shape}"
        off = [abs(Y - wanted).max() for wanted in possible]
        if min(off) > 1e-3:
            return f"with {dropped} = 0.5 no mask, the same in all steps, gives these outputs"
        met.add(int(np.argmin(off)))
    return (
        None
        if len(met) > len(possible) // 3
        else f"with {dropped} = 0.5 nothing, or always the same, is dropped"
    )


def _are_lengths(answer: Any, expected: Any, inputs: dict) -> str | None:
    lengths, row_len, num_steps = answer["lengths"], inputs["row_len"], inputs["num_steps"]
    if sum(lengths) != row_len - 1:
        return (
            f"the lengths add up to {sum(lengths)}: a row of {row_len} characters has {row_len - 1} targets"
        )
    if min(lengths[:-1], default=5) < 5:
        return f"a length is {min(lengths[:-1])}: it is at least 5, except that of what is left"
    if lengths != answer["again"]:
        return "the same rng gives other lengths the second time: draw from it alone"
    inner = np.array(lengths[:-1])
    halved, whole = inner[inner < 0.75 * num_steps], inner[inner >= 0.75 * num_steps]
    if not 0.02 < len(halved) / len(inner) < 0.09:
        return f"a share of {len(halved) / len(inner):.2f} is about half as long: one in twenty is expected"
    if abs(whole.mean() - num_steps) > 1 or abs(halved.mean() - num_steps / 2) > 2.5:
        a, b = whole.mean(), halved.mean()
        return f"the means are {a:.1f} and {b:.1f}: {num_steps} and half of it are expected"
    within = np.mean(abs(whole - num_steps) <= 5), np.mean(abs(whole - num_steps) > 10)
    if abs(whole.std() - 5) > 0.7 or not (0.6 < within[0] < 0.83 and 0.015 < within[1] < 0.08):
        return "the lengths are not normal with deviation 5"
    return None


def _is_refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    if "ValueError" not in answer["error"]:
        return f"a ValueError is expected, not {answer['error'][0] if answer['error'] else 'a batch'}"
    return differs(answer["right"], expected["right"])


def _all_refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    for bad, errors in zip(inputs["bad"], answer["errors"]):
        if "ValueError" not in errors:
            return f"the weights {bad} are not a mixture: a ValueError is expected"
    return differs([len(answer["errors"]), answer["right"]], [len(inputs["bad"]), expected["right"]])


# --- inputs ---------------------------------------------------------------------------------------


def _shapes(vocab_size: int, hidden_dim: int) -> dict[str, tuple[int, ...]]:
    outside = {"W_e": (vocab_size, hidden_dim), "b_y": (vocab_size,)}
    return {n: outside.get(n, (hidden_dim,) * (2 if n[0] == "W" else 1)) for n in NAMES}


def _draw_new(rng: np.random.Generator, *, given: bool) -> dict[str, Any]:
    vocab_size = int(rng.integers(40, 60))
    indices = rng.integers(vocab_size - 5, size=300).tolist() if given else None
    hidden_dim, scale = int(rng.integers(20, 40)), float(rng.choice([0.1, 0.3, 0.5]))
    return {"vocab_size": vocab_size, "hidden_dim": hidden_dim, "scale": scale, "indices": indices}


def _draw_layers(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, N = (int(n) for n in rng.integers([5, 2], [8, 5]))
    shapes = {"W_e": (vocab_size, N), "W_xh": (N, N), "W_hh": (N, N), "b_h": (N,), "W_xh_2": (N, N)}
    shapes |= {"W_hh_2": (N, N), "b_h_2": (N,), "b_y": (vocab_size,)}
    return {"params": {name: normal(rng, *shape) for name, shape in shapes.items()}}


def _draw_network(rng: np.random.Generator, *, own: bool = False) -> dict[str, Any]:
    vocab_size, N, batch_size, num_steps = (int(n) for n in rng.integers([4, 3, 2, 3], [8, 6, 5, 6]))
    return {
        "inputs": one_hots(rng, vocab_size, num_steps, batch_size),
        "state": [normal(rng, batch_size, N) for _ in range(2)],
        "params": {name: normal(rng, *shape) for name, shape in _shapes(vocab_size, N).items()},
        "own": normal(rng, N, vocab_size) if own else None,
    }


def _draw_gradients(rng: np.random.Generator) -> dict[str, Any]:
    drawn = _draw_network(rng)
    size = len(drawn["inputs"]) * len(drawn["inputs"][0]), len(drawn["params"]["b_y"])
    return {**{n: v for n, v in drawn.items() if n != "own"}, "weights": normal(rng, *size)}


def _draw_unit(rng: np.random.Generator, dropped: str) -> dict[str, Any]:
    inputs = one_hots(rng, 3, 5, 3)
    for X, char in zip(inputs, (0, 1, 2)):  # all characters are read, each by all rows
        X[:] = np.eye(3)[char]
    params = {n: normal(rng, *shape, scale=1) for n, shape in _shapes(3, 1).items()}
    params["W_e"] = rng.uniform(1, 2, (3, 1)).astype(np.float32) * np.array([[1], [-1], [1]], np.float32)
    state = [rng.uniform(0.5, 1, (3, 1)).astype(np.float32) for _ in range(2)]
    return {"inputs": inputs, "state": state, "params": params, "dropped": dropped, "seeds": SEEDS}


def _draw_X(rng: np.random.Generator, *shape: int) -> dict[str, Any]:
    return {"X": rng.uniform(0.5, 2, shape).astype(np.float32), "p": float(rng.choice([0.2, 0.4, 0.6]))}


def _draw_rows(rng: np.random.Generator, spare: int = 0) -> dict[str, Any]:
    batch_size, lengths = int(rng.integers(2, 5)), rng.integers(2, 7, size=4).tolist()
    row_len = sum(lengths) + spare + int(rng.integers(1, 4))
    corpus = rng.permutation(batch_size * row_len + int(rng.integers(batch_size))).tolist()
    return {"corpus": corpus, "lengths": lengths, "batch_size": batch_size}


def _draw_schedule(rng: np.random.Generator) -> dict[str, Any]:
    schedule = {"schedule": "cosine", "warmup": int(rng.integers(1, 4)), "num_updates": 8}
    lr, num_steps = float(rng.uniform(0.01, 0.1)), int(rng.integers(7, 12))
    return {
        "lengths": rng.integers(4, 20, size=6).tolist(),
        "lr": lr,
        "num_steps": num_steps,
        "schedule": schedule,
    }


def _draw_models(rng: np.random.Generator, num_models: int) -> list[list[float]]:
    """Probabilities of 12 targets; each model is good at some of them."""
    P = rng.uniform(0.02, 0.2, size=(num_models, 12))
    P[rng.integers(num_models, size=12), range(12)] += 0.6
    return P.tolist()


def _draw_mixture(rng: np.random.Generator, *, weighted: bool) -> dict[str, Any]:
    models = _draw_models(rng, int(rng.integers(2, 5)))
    weights = rng.dirichlet(np.full(len(models), 3.0)).tolist()
    return {"probabilities": models, "weights": weights if weighted else None}


# --- the cases ------------------------------------------------------------------------------------

TWO = [[0.1, 0.4], [0.3, 0.2]]
of_new = partial(Case, function="get_tied_params", lesson=19, drive=drive_new, check=_is_new)
of_untie = partial(Case, function="untie", lesson=19, drive=drive_untie, check=_is_untied)
of_mask = partial(Case, lesson=19, drive=drive_mask)
of_tied = partial(Case, function="tied_lstm", lesson=19)
of_batches = partial(Case, function="data_iter_variable", lesson=19)
of_mixture = partial(Case, function="interpolate", lesson=19, drive=drive_mixture)


def _mask_cases(function: str, shape: tuple[int, ...], check: Any, name: str) -> list[Case]:
    X = np.full(shape, 3, np.float32)
    rest: dict[str, Any] = {
        "example": {"function": function, "X": X, "p": 0.2},
        "draw": lambda rng: {"function": function, **_draw_X(rng, *shape)},
    }
    outside = "outside training nothing is dropped"
    return [
        of_mask(function=function, name=name, check=check, **rest),
        of_mask(function=function, name=outside, check=_stays, **rest),
    ]


def _unit_case(dropped: str, name: str) -> Case:
    return of_tied(
        name=name,
        drive=drive_tied_training,
        example=_draw_unit(np.random.default_rng(1), dropped),
        draw=partial(_draw_unit, dropped=dropped),
        check=_drops_once,
    )


CASES = [
    of_new(
        name="the names, shapes, deviations and gradients are those of a tied network, the biases zero",
        example={"vocab_size": 40, "hidden_dim": 30, "scale": 0.5, "indices": None},
        draw=partial(_draw_new, given=False),
    ),
    of_new(
        name="given a text, b_y begins as the logarithm of its unigram, with one count more",
        example={"vocab_size": 4, "hidden_dim": 30, "scale": 0.5, "indices": [0, 1, 0, 2]},
        draw=partial(_draw_new, given=True),
    ),
    of_untie(
        name="an LSTM reads rows of W_e W_x and writes with W_e^T, and its arrays are new",
        example={"params": _draw_network(np.random.default_rng(1))["params"]},
        draw=lambda rng: {"params": _draw_network(rng)["params"]},
    ),
    of_untie(
        name="of two layers only the first reads the embeddings",
        example=_draw_layers(np.random.default_rng(1)),
        draw=_draw_layers,
    ),
    *_mask_cases(
        "embedding_dropout",
        (300, 5),
        _rows_go,
        "in training whole characters are dropped, and the rest grows",
    ),
    *_mask_cases(
        "locked_dropout",
        (3, 30, 40),
        _places_go,
        "in training one mask holds for all steps, and the rest grows",
    ),
    of_tied(
        name="outside training the outputs and the state are those of the formulas",
        drive=drive_tied,
        example=_draw_network(np.random.default_rng(1)),
        draw=_draw_network,
    ),
    of_tied(
        name="with a W_hy of its own it writes with that",
        drive=drive_tied,
        example=_draw_network(np.random.default_rng(1), own=True),
        draw=partial(_draw_network, own=True),
    ),
    of_tied(
        name="the gradient of W_e comes from reading and from writing",
        drive=drive_tied_gradients,
        example=_draw_gradients(np.random.default_rng(1)),
        draw=_draw_gradients,
    ),
    _unit_case("p_embedding", "in training characters are dropped for reading, and not for writing"),
    _unit_case("p_in", "in training what is read is dropped, at the same places in all steps"),
    _unit_case("p_weights", "in training numbers of each W_h are dropped, the same in all steps"),
    _unit_case("p_out", "in training what goes up from H is dropped, at the same places in all steps"),
    Case(
        name="the lengths are normal, one in twenty about half, and add up to all targets of a row",
        function="variable_lengths",
        lesson=19,
        drive=drive_lengths,
        example={"row_len": 90_000, "num_steps": 60, "seed": 0},
        draw=lambda rng: {
            "row_len": int(rng.integers(90_000, 120_000)),
            "num_steps": int(rng.integers(61, 70)),
            "seed": int(rng.integers(1000)),
        },
        check=_are_lengths,
    ),
    of_batches(
        name="rows go on from batch to batch, and the label is the next character",
        drive=drive_batches,
        example={"corpus": list(range(20)), "lengths": [3, 2, 4], "batch_size": 2, "offset": 0},
        draw=lambda rng: {**_draw_rows(rng), "offset": 0},
    ),
    of_batches(
        name="the text begins at offset, and what is before it comes last",
        drive=drive_batches,
        example={"corpus": list(range(40)), "lengths": [3, 2, 4], "batch_size": 2, "offset": 7},
        draw=lambda rng: {**_draw_rows(rng, spare=6), "offset": int(rng.integers(1, 9))},
    ),
    of_batches(
        name="more steps than a row has are a ValueError",
        drive=drive_too_long,
        example={"corpus": list(range(20)), "lengths": [3, 2, 5], "batch_size": 2},
        draw=lambda rng: (lambda drawn: {**drawn, "lengths": [*drawn["lengths"], 4]})(_draw_rows(rng)),
        check=_is_refused,
    ),
    Case(
        name="before each batch the rate is set to the schedule's, times the length over num_steps",
        function="scheduled_batches",
        lesson=19,
        drive=drive_schedule,
        example={
            "lengths": [10, 5, 20],
            "lr": 0.1,
            "num_steps": 10,
            "schedule": {"schedule": "constant", "warmup": 2, "num_updates": 3},
        },
        draw=_draw_schedule,
    ),
    of_mixture(
        name="a mixture is the weighted sum of the probabilities",
        example={"probabilities": TWO, "weights": [0.75, 0.25]},
        draw=partial(_draw_mixture, weighted=True),
    ),
    of_mixture(
        name="without weights it is the mean",
        example={"probabilities": TWO, "weights": None},
        draw=partial(_draw_mixture, weighted=False),
    ),
    of_mixture(
        name="weights that are no mixture are a ValueError",
        drive=drive_bad_weights,
        example={"probabilities": TWO, "bad": [[0.5], [0.7, 0.7], [1.5, -0.5]]},
        draw=lambda rng: {
            "probabilities": _draw_models(rng, 2),
            "bad": [[1.0], [0.5, float(rng.uniform(0.6, 1))], [1.25, -0.25]],
        },
        check=_all_refused,
    ),
    Case(
        name="no other weights make the targets likelier",
        function="mixture_weights",
        lesson=19,
        drive=drive_weights,
        example={"probabilities": [[0.9, 0.1, 0.1], [0.1, 0.8, 0.2]]},
        draw=lambda rng: {"probabilities": _draw_models(rng, int(rng.integers(2, 4)))},
        check=within(atol=2e-3, rtol=0),
    ),
]
