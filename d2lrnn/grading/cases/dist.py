"""Lesson 17: shards, one buffer of gradients, a sum in order, and a network that learns with other replicas.

No process is started: workers take turns, or what another one has said is kept and said again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs, floats, refused, within
from ..mistakes import told
from .driving import number, refusal
from .rnn import NAMES, normal, shapes_of

# --- drivers --------------------------------------------------------------------------------------


def drive_shards(s: Any, corpus: list[int], num_workers: int) -> list[list[int]]:
    """The shards of all workers."""
    parts = [s.shard(np.array(corpus), index, num_workers) for index in range(num_workers)]
    return [[int(char) for char in part] for part in parts]


def drive_bad_shard(s: Any, num_chars: int, index: Any, num_workers: int) -> list[str]:
    """The error that a bad index or too short a corpus causes."""
    shard = s.shard
    return refusal(lambda: shard(list(range(num_chars)), index, num_workers))


def new_arrays(arrays: list) -> list[nd.NDArray]:
    """Parameters with gradients attached."""
    params = [nd.array(values, mx.cpu(), "float32") for values in arrays]
    for param in params:
        param.attach_grad()
    return params


def drive_buffer(s: Any, params: list, spare: int, factors: list[float]) -> dict[str, Any]:
    """The buffer after backward() of factor * (the sum of squares), for each factor."""
    weights = new_arrays(params)
    flat = s.flat_gradients(weights, spare)
    buffers = []
    for factor in factors:
        with autograd.record():
            losses = [(factor * weight * weight).sum() for weight in weights]
        autograd.backward(losses)
        buffers.append(flat.asnumpy()[: sum(weight.size for weight in weights)])
    return {"shape": list(flat.shape), "buffers": buffers}


def drive_views(s: Any, params: list, spare: int) -> list[np.ndarray]:
    """The gradients after 0, 1, 2, … was written to the buffer."""
    weights = new_arrays(params)
    flat = s.flat_gradients(weights, spare)
    flat[:] = nd.arange(flat.size)
    return [weight.grad.asnumpy() for weight in weights]


def drive_no_gradients(s: Any, params: list, without: int) -> list[str]:
    """The error that a parameter without a gradient causes."""
    flat_gradients, weights = s.flat_gradients, new_arrays(params)
    weights[without] = nd.array(params[without])
    return refusal(lambda: flat_gradients(weights))


def drive_sum(s: Any, rows: list, before: list) -> dict[str, Any]:
    """What add_up leaves in out and in the rows, and who takes turns."""
    workers, arrays, out = s.InTurn(len(rows)), [nd.array(row) for row in rows], nd.array(before)
    workers.add_up(arrays, out=out)
    return {"out": out, "rows": arrays, "shards": [int(k) for k in workers.shards]}


def drive_no_turns(s: Any, num_workers: Any) -> list[str]:
    """The error that an invalid number of workers causes."""
    kind = s.InTurn
    return refusal(lambda: kind(num_workers))


class Neighbour:
    """One worker of many; others: what those before it have said, by name."""

    def __init__(self, index: int, others: list) -> None:
        self.index, self.shards, self.num_workers = index, (index,), index + 1
        self.others, self.said = others, dict[str, nd.NDArray]()

    def add_up(self, rows: Any, out: nd.NDArray, name: str = "", read: Any = None) -> None:
        """Add to this worker's row of this name those of the others."""
        (row,) = rows
        total = row.copy()
        self.said = {**self.said, name: total}
        for other in self.others:
            total = total + other[name]
        out[:] = total


class Spied:
    """A network that notes what it learns from."""

    def __init__(self, network: Any, events: list) -> None:
        self.network, self.events = network, events
        self.rnn, self.init_state = network.rnn, network.init_state

    def learn(self, data: nd.NDArray, label: nd.NDArray, state: Any, params: Any) -> Any:
        """As the network, and a note of the rows."""
        self.events.append(data.asnumpy().tolist())
        return self.network.learn(data, label, state, params)


def new_weights(network: Any, params: dict) -> Any:
    """The network's parameters, with these values."""
    weights = network.get_params(len(params["b_y"]), len(params["W_hh"]), mx.cpu())
    for weight, values in zip(weights, params.values()):
        weight[:] = nd.array(values)
    return weights


def drive_learn(
    s: Any, params: dict, data: list, label: list, state: np.ndarray, num_workers: int
) -> dict[str, Any]:
    """What learn returns and leaves, and in which order the workers were prepared and learned."""
    events: list = []
    network = s.get_network("rnn")
    weights = new_weights(network, params)
    replica = s.Replica(Spied(network, events), weights, s.InTurn(num_workers), events.append)
    pair = [nd.array(chars, dtype="int32") for chars in (data, label)]
    for _ in range(2):
        del events[:]
        loss, (H,) = replica.learn(*pair, (nd.array(state),), weights)
    return {
        "loss": number(loss),
        "state": H,
        "gradients": {name: weight.grad for name, weight in zip(params, weights)},
        "events": events,
    }


def drive_neighbours(
    s: Any, params: dict, data: list, label: list, state: np.ndarray, sizes: list[int]
) -> dict[str, Any]:
    """Loss and gradients of the last of several workers; sizes: how many rows each of them has."""
    network, begin = s.get_network("rnn"), 0
    said: list[dict] = []
    weights = new_weights(network, params)
    for index, size in enumerate(sizes):
        mine, worker = slice(begin, begin + size), Neighbour(index, said)
        replica = s.Replica(network, weights, worker)
        pair = [nd.array(chars[mine], dtype="int32") for chars in (data, label)]
        loss, _ = replica.learn(*pair, (nd.array(state[mine]),), weights)
        said, begin = [*said, worker.said], begin + size
    gradients = {name: weight.grad for name, weight in zip(params, weights)}
    return {"loss": number(loss), "gradients": gradients}


def drive_agree(s: Any, params: dict, data: list, asked: list) -> list[list[bool]]:
    """What the last worker hears after every batch; asked[step][worker]: what it asks for then."""
    network = s.get_network("rnn")
    weights, chars = new_weights(network, params), nd.array(data, dtype="int32")
    H = nd.zeros((len(data), len(params["W_hh"])))
    workers = [Neighbour(index, []) for index in range(len(asked[0]))]
    replicas = [s.Replica(network, weights, worker) for worker in workers]
    heard = []
    for questions in asked:
        workers[-1].others = said = []
        for worker, replica, question in zip(workers, replicas, questions):
            replica.learn(chars, chars, (H,), weights)
            said.append(worker.said)
            answer = replica.agree(*question)
        heard.append([bool(each) for each in answer])
    return heard


# --- inputs ---------------------------------------------------------------------------------------


def _draw_corpus(rng: np.random.Generator) -> dict[str, Any]:
    num_workers = int(rng.integers(2, 6))
    num_chars = num_workers * int(rng.integers(3, 9)) + int(rng.integers(2, num_workers + 1))
    return {"corpus": rng.permutation(num_chars).tolist(), "num_workers": num_workers}


def _draw_bad_shard(rng: np.random.Generator) -> dict[str, Any]:
    num_workers = int(rng.integers(2, 6))
    index = int(rng.choice([-1, num_workers, num_workers + 1]))
    return {"num_chars": int(rng.integers(20, 30)), "index": index, "num_workers": num_workers}


def _draw_short(rng: np.random.Generator) -> dict[str, Any]:
    num_workers = int(rng.integers(3, 9))
    return {"num_chars": int(rng.integers(2, num_workers + 1)), "index": 0, "num_workers": num_workers}


def _draw_params(rng: np.random.Generator) -> dict[str, Any]:
    shapes = [(2, int(rng.integers(3, 6))), (int(rng.integers(2, 5)),), (3, 2)]
    return {
        "params": [rng.normal(size=shape).astype(np.float32) for shape in shapes],
        "spare": int(rng.integers(1, 5)),
    }


def _draw_factors(rng: np.random.Generator) -> dict[str, Any]:
    return {**_draw_params(rng), "factors": rng.permutation([0.5, 1.0, 3.0]).tolist()}


def _draw_without(rng: np.random.Generator) -> dict[str, Any]:
    return {"params": _draw_params(rng)["params"], "without": int(rng.integers(3))}


def _draw_rows(rng: np.random.Generator) -> dict[str, Any]:
    """Large numbers that cancel, and small ones: which of them get lost depends on the order."""
    size = int(rng.integers(3, 6))
    large, rest = rng.uniform(1e8, 2e8, size), rng.normal(size=(int(rng.integers(1, 3)), size))
    rows = np.stack([large, -large, *rest])
    rows[:, 0] = rows[[0, 2, 1, *range(3, len(rows))], 0]  # in the first column the small one gets lost
    return {"rows": rows.astype(np.float32), "before": rng.normal(size=size).astype(np.float32)}


def _draw_batch(rng: np.random.Generator, num_workers: int = 0) -> dict[str, Any]:
    vocab_size, hidden_dim, rows, num_steps = rng.integers((3, 2, 1, 2), (6, 5, 3, 5)).tolist()
    num_workers = num_workers or int(rng.integers(2, 4))
    size = num_workers * rows, num_steps
    return {
        "params": {name: normal(rng, *s) for name, s in shapes_of(NAMES, vocab_size, hidden_dim).items()},
        "data": rng.integers(vocab_size, size=size).tolist(),
        "label": rng.integers(vocab_size, size=size).tolist(),
        "state": rng.normal(size=(num_workers * rows, hidden_dim)).astype(np.float32),
        "num_workers": num_workers,
    }


def _draw_sizes(rng: np.random.Generator) -> dict[str, Any]:
    inputs = _draw_batch(rng, 4)
    num_rows = len(inputs["data"])
    first = int(rng.integers(1, num_rows // 2))
    del inputs["num_workers"]
    return {**inputs, "sizes": [first, num_rows - first]}


def _draw_asked(rng: np.random.Generator, last: int = 2) -> dict[str, Any]:
    """The last worker asks with the first batch; any of them asks for the other thing later."""
    inputs, what = _draw_batch(rng), int(rng.integers(2))
    asked = np.zeros((4, last + 1, 2), bool)
    asked[0, last, what] = asked[rng.integers(1, 3), rng.integers(last + 1), 1 - what] = True
    return {"params": inputs["params"], "data": inputs["data"], "asked": asked.tolist()}


# --- checks ---------------------------------------------------------------------------------------


def _of(*keys: str) -> Callable:
    """A check of some entries of an answer that is a dict: the others are judged by other cases."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        return differs({key: answer[key] for key in keys}, {key: expected[key] for key in keys}, atol=1e-5)

    return check


# --- the cases ------------------------------------------------------------------------------------


def _case(function: str, name: str, drive: Callable, draw: Callable, **options: Any) -> Case:
    example = options.pop("example", None) or draw(np.random.default_rng(1))
    return Case(name, function, 17, drive, draw, example, **options)


SHARDS = [
    _case(
        "shard",
        "shards follow each other, are equally long, and share the character at the border",
        drive_shards,
        _draw_corpus,
        example={"corpus": list(range(12)), "num_workers": 3},
    ),
    _case(
        "shard",
        "a worker that does not exist is a ValueError",
        drive_bad_shard,
        _draw_bad_shard,
        example={"num_chars": 20, "index": 3, "num_workers": 3},
        check=refused("ValueError"),
        expect=lambda inputs: ["ValueError"],
    ),
    _case(
        "shard",
        "fewer targets than workers are a ValueError",
        drive_bad_shard,
        _draw_short,
        example={"num_chars": 3, "index": 0, "num_workers": 3},
        check=refused("ValueError"),
        expect=lambda inputs: ["ValueError"],
    ),
]
TWO_SMALL = [floats([[1, 2], [3, 4]]), floats([5, 6])]
BUFFERS = [
    _case(
        "flat_gradients",
        "what backward() writes stands in the buffer, the first parameter's gradient first",
        drive_buffer,
        _draw_factors,
        example={"params": TWO_SMALL, "spare": 1, "factors": [0.5, 1.0]},
        mistakes=(
            Mistake(
                told("17_dist_gradients_are_copied"),
                shows=lambda answer, expected, inputs: not answer["buffers"][1].any(),
            ),
        ),
    ),
    _case(
        "flat_gradients",
        "what is written to the buffer is in the gradients",
        drive_views,
        _draw_params,
        example={"params": TWO_SMALL, "spare": 1},
        mistakes=(
            Mistake(
                told("17_dist_gradients_are_copied"),
                shows=lambda answer, expected, inputs: not any(gradient.any() for gradient in answer),
            ),
        ),
    ),
    _case(
        "flat_gradients",
        "a parameter without a gradient is a ValueError",
        drive_no_gradients,
        _draw_without,
        example={"params": TWO_SMALL, "without": 1},
        check=refused("ValueError"),
        expect=lambda inputs: ["ValueError"],
    ),
]
TURNS = [
    _case(
        "InTurn",
        "the rows are added one after the other, in float32, and written to out",
        drive_sum,
        _draw_rows,
        example={"rows": floats([[1e8, 1e8], [1, -1e8], [-1e8, 1]]), "before": floats([7, 7])},
        check=within(atol=0, rtol=0),
        mistakes=(
            Mistake(
                told("17_dist_rows_are_added_from_the_last"),
                shows=lambda answer, expected, inputs: any(
                    differs(answer["out"], right.astype(np.float32), rtol=1e-6, atol=0) is None
                    for right in (
                        inputs["rows"].astype(np.float64).sum(axis=0),
                        np.add.reduce(inputs["rows"][::-1], axis=0),
                    )
                ),
            ),
            Mistake(
                told("17_dist_sum_goes_on_from_the_last_one"),
                shows=lambda answer, expected, inputs: (
                    differs(answer["out"], np.add.reduce([inputs["before"], *inputs["rows"]], axis=0)) is None
                ),
            ),
            Mistake(
                "out is as it was: the sum has to be written into it",
                shows=lambda answer, expected, inputs: np.array_equal(answer["out"], inputs["before"]),
            ),
        ),
    ),
    _case(
        "InTurn",
        "a number of workers below 1 is a ValueError",
        drive_no_turns,
        lambda rng: {"num_workers": -int(rng.integers(1000))},
        example={"num_workers": 0},
        check=refused("ValueError"),
        expect=lambda inputs: ["ValueError"],
    ),
]
REPLICAS = [
    _case(
        "Replica",
        "loss, state and gradients are those of one batch with the rows of all workers",
        drive_learn,
        _draw_batch,
        check=_of("loss", "state", "gradients"),
    ),
    _case(
        "Replica",
        "each worker is prepared, and learns right after that",
        drive_learn,
        _draw_batch,
        check=_of("events"),
    ),
    _case(
        "Replica",
        "a worker that has read more characters counts more",
        drive_neighbours,
        _draw_sizes,
        check=within(atol=1e-5),
    ),
    _case(
        "Replica",
        "what one worker asks for, all hear with the next batch, once",
        drive_agree,
        _draw_asked,
        example=_draw_asked(np.random.default_rng(1), 1),
        mistakes=(
            Mistake(
                told("17_dist_acts_on_what_it_asks_itself"),
                shows=lambda answer, expected, inputs: bool(
                    (np.array(answer) >= np.array(inputs["asked"])[:, -1]).all()
                ),
            ),
            Mistake(
                "nobody hears what was asked: it has to go with the next batch",
                shows=lambda answer, expected, inputs: not np.any(answer),
            ),
        ),
    ),
]

CASES = [*SHARDS, *BUFFERS, *TURNS, *REPLICAS]
