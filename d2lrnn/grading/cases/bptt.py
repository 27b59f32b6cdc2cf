"""Lesson 10: the gradients that bptt and grad_norms_by_lag work out by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import d2lrnn

import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs, doing, same
from .rnn import NAMES, named, reading

# --- drivers --------------------------------------------------------------------------------------


def arrays(inputs: list, label: list, state: list, params: dict) -> tuple:
    """What bptt and grad_norms_by_lag take."""
    return [nd.array(X) for X in inputs], nd.array(label, dtype="int32"), (nd.array(state[0]),), named(params)


def drive_bptt(s: Any, inputs: list, label: list, state: list, params: dict) -> dict[str, Any]:
    """The loss and the gradients of bptt, by the names of the parameters."""
    loss, gradients = s.bptt(*arrays(inputs, label, state, params))
    return {"loss": float(loss.asscalar()), "gradients": dict(zip(params, gradients))}


def drive_by_hand(s: Any, inputs: list, label: list, state: list, params: dict) -> dict[str, Any]:
    """Whether bptt asks autograd, and how many gradients it makes."""
    asked, record = [], autograd.record

    def noted(*args: Any, **options: Any) -> Any:
        asked.append("autograd")
        return record(*args, **options)

    autograd.record = noted
    try:
        _, gradients = s.bptt(*arrays(inputs, label, state, params))
    finally:
        autograd.record = record
    return {"asked": asked, "gradients": len(gradients)}


def drive_norms(s: Any, inputs: list, label: list, state: list, params: dict) -> list[float]:
    """The norms of grad_norms_by_lag."""
    return [float(norm) for norm in s.grad_norms_by_lag(*arrays(inputs, label, state, params))]


# --- what mistakes answer -------------------------------------------------------------------------


def _wrong_bptt(mistake: str) -> Callable:
    def bptt(inputs: Any, label: Any, state: Any, params: Any) -> Any:
        (H,) = state
        outputs, states = [], [H]
        for X in inputs:
            (Y,), (H,) = d2lrnn.rnn([X], (H,), params)
            outputs.append(Y)
            states.append(H)
        order = label if mistake == "row by row" else label.T
        loss = d2lrnn.cross_entropy(nd.concat(*outputs, dim=0), order.reshape(-1))
        gradients = [nd.zeros_like(param) for param in params]
        from_next = nd.zeros_like(H)
        for t in range(len(inputs), 0, -1):
            Y, H, H_before = outputs[t - 1], states[t], states[t - 1]
            dY = nd.softmax(Y) - nd.one_hot(label[:, t - 1], Y.shape[1])
            dY = dY / {"sums": 1, "per row": len(label)}.get(mistake, label.size)
            dH = nd.dot(dY, params.W_hy.T) + from_next
            slope = {"no slope": 1, "slope before": 1 - H_before**2}.get(mistake, 1 - H**2)
            dA = dH * slope
            met = H if mistake == "new state" else H_before
            steps = nd.dot(inputs[t - 1].T, dA), nd.dot(met.T, dA), dA.sum(axis=0), nd.dot(H.T, dY)
            for gradient, step in zip(gradients, [*steps, dY.sum(axis=0)]):
                gradient += step
            W_hh = params.W_hh if mistake == "not transposed" else params.W_hh.T
            from_next = nd.dot(dA, W_hh) * (mistake != "last step")
        return (loss * label.size if mistake == "sums" else loss), gradients

    return bptt


def _wrong_norms(inputs: Any, label: Any, state: Any, params: Any, *, mistake: str) -> list[float]:
    (H,) = state
    states = [H]
    for X in inputs:
        (Y,), (H,) = d2lrnn.rnn([X], (H,), params)
        states.append(H)
    dY = (nd.softmax(Y) - nd.one_hot(label[:, -1], Y.shape[1])) / (1 if mistake == "sums" else len(label))
    dY = dY / (len(inputs) if mistake == "all steps" else 1)
    dH = nd.dot(dY, params.W_hy.T)
    norms = [dH]
    W_hh = params.W_hh if mistake == "not transposed" else params.W_hh.T
    for H, H_before in zip(states[:1:-1], states[-2::-1]):
        slope = {"no slope": 1, "slope before": 1 - H_before**2}.get(mistake, 1 - H**2)
        dH = nd.dot(dH * slope, W_hh)
        norms.append(dH)
    values = [float(nd.norm(dH).asscalar()) for dH in norms]
    if mistake == "squares":
        values = [value**2 for value in values]
    return values[::-1] if mistake == "from the front" else values


def _only_gradients(answer: Any, expected: Any, inputs: dict) -> str | None:
    return differs(answer["gradients"], expected["gradients"])


def _only_loss(answer: Any, expected: Any, inputs: dict) -> str | None:
    return differs(answer["loss"], expected["loss"])


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    """A batch, a state and weights; no label is the next input, and none of the sizes is another."""
    drawn = reading(rng, "", NAMES)
    del drawn["function"]
    num_steps, (batch_size, vocab_size) = len(drawn["inputs"]), drawn["inputs"][0].shape
    label = rng.integers(vocab_size, size=(batch_size, num_steps))
    return {**drawn, "label": label.tolist()}


def _draw_one_step(rng: np.random.Generator) -> dict[str, Any]:
    drawn = _draw(rng)
    return {**drawn, "inputs": drawn["inputs"][:1], "label": [row[:1] for row in drawn["label"]]}


SMALLEST: dict[str, Any] = {
    "inputs": [
        np.array([[0, 1], [1, 0]], np.float32),
        np.array([[1, 0], [1, 0]], np.float32),
        np.array([[0, 1], [0, 1]], np.float32),
    ],
    "label": [[0, 1, 1], [1, 0, 1]],
    "state": [np.array([[0.4, -0.3], [0.1, 0.8]], np.float32)],
    "params": {
        "W_xh": np.array([[1, -0.5], [0.2, 0.3]], np.float32),
        "W_hh": np.array([[0.5, 0.8], [-0.4, 0.1]], np.float32),
        "b_h": np.array([0.1, -0.6], np.float32),
        "W_hy": np.array([[1, -2], [0.5, 1]], np.float32),
        "b_y": np.array([0.25, -1], np.float32),
    },
}
WRONG = {
    "the loss is a mean over all characters, and your gradients are those of a sum": "sums",
    "the loss is a mean over rows and steps: divide the gradients by both": "per row",
    "no gradient arrives from the step after: to the part of this step's output comes what returns through "
    "W_hh": "last step",
    "the slope of tanh is missing on the way from H back to A": "no slope",
    "the slope of tanh is taken at the H before: step t bends its own A into its own H": "slope before",
    "the way back leads through W_hh transposed; W_hh is square, so no shape complains": "not transposed",
    "the gradient of W_hh is made with the state that W_hh has produced, not with the one that it read": (
        "new state"
    ),
}
WRONG_NORMS = {
    "the norms are in the order of time: the first is that of lag 0, the last step itself": "from the front",
    "the slope of tanh is missing on the way from H back to A": "no slope",
    "the slope of tanh is taken at the H before: step t bends its own A into its own H": "slope before",
    "the way back leads through W_hh transposed; W_hh is square, so no shape complains": "not transposed",
    "the loss of the last step is a mean over the rows, and yours is a sum": "sums",
    "only the loss of the last step is meant: its mean is over the rows, not over all steps": "all steps",
    "these are squares: the norm is the root of the sum of squares": "squares",
}

CASES = [
    Case(
        name="the gradients are those of the mean loss, for every parameter",
        function="bptt",
        lesson=10,
        drive=drive_bptt,
        example=SMALLEST,
        draw=_draw,
        check=_only_gradients,
        mistakes=tuple(
            Mistake(message, twin=doing(drive_bptt, bptt=_wrong_bptt(mistake)))
            for message, mistake in WRONG.items()
        ),
    ),
    Case(
        name="the loss is the mean cross-entropy of all steps and rows",
        function="bptt",
        lesson=10,
        drive=drive_bptt,
        example=SMALLEST,
        draw=_draw,
        check=_only_loss,
        mistakes=(
            Mistake(
                "the loss is a sum: give the mean over all characters",
                twin=doing(drive_bptt, bptt=_wrong_bptt("sums")),
            ),
            Mistake(
                "labels and logits are in two orders: the outputs come step by step, so the labels must, too",
                twin=doing(drive_bptt, bptt=_wrong_bptt("row by row")),
            ),
        ),
    ),
    Case(
        name="the gradients are worked out by hand: autograd is not asked",
        function="bptt",
        lesson=10,
        drive=drive_by_hand,
        example=SMALLEST,
        draw=_draw,
        check=same,
        expect=lambda inputs: {"asked": [], "gradients": len(NAMES)},
        mistakes=(
            Mistake(
                "autograd was asked: here the chain rule is to be walked backward by yourself",
                shows=lambda answer, *_: bool(answer["asked"]),
            ),
        ),
    ),
    Case(
        name="the norms by lag are those of the gradients of the last step's loss, lag 0 first",
        function="grad_norms_by_lag",
        lesson=10,
        drive=drive_norms,
        example=SMALLEST,
        draw=_draw,
        mistakes=tuple(
            Mistake(
                message, twin=doing(drive_norms, grad_norms_by_lag=partial(_wrong_norms, mistake=mistake))
            )
            for message, mistake in WRONG_NORMS.items()
        ),
    ),
    Case(
        name="one step has one norm, that of lag 0",
        function="grad_norms_by_lag",
        lesson=10,
        drive=drive_norms,
        example={
            **SMALLEST,
            "inputs": SMALLEST["inputs"][:1],
            "label": [[0], [1]],
        },
        draw=_draw_one_step,
        mistakes=(
            Mistake(
                "one norm is expected: lags run from 0 to num_steps - 1, that of the state given is left out",
                shows=lambda answer, *_: len(answer) != 1,
            ),
            Mistake(
                "the loss of the last step is a mean over the rows, and yours is a sum",
                twin=doing(drive_norms, grad_norms_by_lag=partial(_wrong_norms, mistake="sums")),
            ),
        ),
    ),
]
