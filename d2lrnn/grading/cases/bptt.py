"""Lesson 10: the gradients that bptt and grad_norms_by_lag work out by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

from ..case import Case, Mistake, differs, floats
from .driving import number, opened
from .rnn import NAMES, TWO_STEPS, named, out_of_order, reading

# --- drivers --------------------------------------------------------------------------------------


def arrays(inputs: list, label: list, state: list, params: dict) -> tuple:
    """What bptt and grad_norms_by_lag take."""
    return [nd.array(X) for X in inputs], nd.array(label, dtype="int32"), (nd.array(state[0]),), named(params)


def drive_bptt(s: Any, inputs: list, label: list, state: list, params: dict) -> dict[str, Any]:
    """The loss and the gradients of bptt, by the names of the parameters."""
    loss, gradients = s.bptt(*arrays(inputs, label, state, params))
    return {"loss": number(loss), "gradients": opened(gradients)}


def drive_by_hand(s: Any, inputs: list, label: list, state: list, params: dict) -> dict[str, Any]:
    """Whether MXNet works out any gradient for bptt, whichever way it is asked; and how many bptt makes.

    All ways, from Python's autograd to Gluon's, lead through these functions of MXNet's library.
    """
    library, asked = mx.base._LIB, []
    ways = {name: getattr(library, name) for name in ("MXAutogradBackwardEx", "MXExecutorBackwardEx")}

    def noted(way: Any) -> Any:
        def call(*args: Any) -> Any:
            asked.append("autograd")
            return way(*args)

        return call

    for name, way in ways.items():
        setattr(library, name, noted(way))
    try:
        _, gradients = s.bptt(*arrays(inputs, label, state, params))
    finally:
        for name, way in ways.items():
            setattr(library, name, way)
    return {"asked": asked[:1], "gradients": len(gradients)}


def drive_norms(s: Any, inputs: list, label: list, state: list, params: dict) -> list[float]:
    """The norms of grad_norms_by_lag."""
    return [float(norm) for norm in s.grad_norms_by_lag(*arrays(inputs, label, state, params))]


# --- checks and inputs ----------------------------------------------------------------------------


def _only_gradients(answer: Any, expected: Any, inputs: dict) -> str | None:
    found, names = answer["gradients"], expected["gradients"]["names"] or NAMES
    return out_of_order(found, names) or differs(
        dict(zip(names, found["arrays"])), dict(zip(names, expected["gradients"]["arrays"]))
    )


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
    "inputs": [floats([[0, 1], [1, 0]]), floats([[1, 0], [1, 0]]), floats([[0, 1], [0, 1]])],
    "label": [[0, 1, 1], [1, 0, 1]],
    "state": [floats([[0.4, -0.3], [0.1, 0.8]])],
    "params": TWO_STEPS["params"],
}
of_bptt = partial(Case, function="bptt", lesson=10, example=SMALLEST, draw=_draw)
of_norms = partial(Case, function="grad_norms_by_lag", lesson=10, drive=drive_norms)

CASES = [
    of_bptt(
        name="the gradients are those of the mean loss, for every parameter",
        drive=drive_bptt,
        check=_only_gradients,
    ),
    of_bptt(
        name="the loss is the mean cross-entropy of all steps and rows",
        drive=drive_bptt,
        check=_only_loss,
    ),
    of_bptt(
        name="the gradients are worked out by hand: autograd is not asked",
        drive=drive_by_hand,
        expect=lambda inputs: {"asked": [], "gradients": len(NAMES)},
        mistakes=(
            Mistake(
                "autograd was asked: here the chain rule is to be walked backward by yourself",
                shows=lambda answer, *_: bool(answer["asked"]),
            ),
        ),
    ),
    of_norms(
        name="the norms by lag are those of the gradients of the last step's loss, lag 0 first",
        example=SMALLEST,
        draw=_draw,
    ),
    of_norms(
        name="one step has one norm, that of lag 0",
        example={**SMALLEST, "inputs": SMALLEST["inputs"][:1], "label": [[0], [1]]},
        draw=_draw_one_step,
        mistakes=(
            Mistake(
                "one norm is expected: lags run from 0 to num_steps - 1, that of the state given is left out",
                shows=lambda answer, *_: len(answer) != 1,
            ),
        ),
    ),
]
