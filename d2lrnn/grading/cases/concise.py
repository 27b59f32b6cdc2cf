"""Lesson 13: Gluon's layers. A driver is handed plain arrays, under our names or in Gluon's own order.

Where a model is to be filled first, the driver writes Gluon's parameters itself, or our set_params does.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

from ..case import Case, Mistake, within
from ..mistakes import told
from .driving import refusal
from .gru import NAMES as GRU_NAMES
from .gru import cell_cases
from .lstm import NAMES as LSTM_NAMES
from .rnn import NAMES as RNN_NAMES
from .rnn import named, normal, not_drawn, one_hots
from .training import UNBOUNDED, draw_batches, new_batches, only

LAYERS = {"rnn": RNN_NAMES, "gru": GRU_NAMES, "lstm": LSTM_NAMES}
GATED = ("gru", "lstm")  # what is right for several gates is right for one

# --- drivers --------------------------------------------------------------------------------------


def fill(model: Any, weights: dict[str, np.ndarray]) -> None:
    """Write arrays into the parameters of a model whose names end like theirs; the longest ending counts."""
    for name, parameter in model.collect_params().items():
        ending = max((end for end in weights if name.endswith(end)), key=len, default=None)
        if ending:
            parameter.set_data(nd.array(weights[ending]))


def read_on(model: Any, steps: list, state: list) -> dict[str, Any]:
    """What a model answers to these steps, from this state on."""
    outputs, new_state = model([nd.array(X) for X in steps], tuple(nd.array(S) for S in state))
    return {"outputs": list(outputs), "state": list(new_state)}


def drive_block(
    s: Any, cell: str, num_layers: int, weights: dict, steps: list, state: list
) -> dict[str, Any]:
    """What an RNNModel answers, made of a layer of Gluon's, and the state that it begins with."""
    kind = {"rnn": gluon.rnn.RNN, "gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM}[cell]
    vocab_size, hidden_dim = weights["weight"].shape
    model = s.RNNModel(kind(hidden_dim, num_layers, input_size=vocab_size), vocab_size)
    model.initialize(ctx=mx.cpu())
    fill(model, weights)
    return {**read_on(model, steps, state), "first": list(model.begin_state(len(steps[0]), mx.cpu()))}


def drive_layer(
    s: Any, cell: str, num_layers: int, weights: dict, steps: list, state: list
) -> dict[str, Any]:
    """What the model of get_rnn_model answers with these weights in Gluon's parameters."""
    vocab_size, hidden_dim = weights["weight"].shape
    model = s.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, mx.cpu())
    fill(model, weights)
    return read_on(model, steps, state)


def drive_new_model(s: Any, cell: str, vocab_size: int, hidden_dim: int) -> dict[str, Any]:
    """The parameters of a new model: "weight 0", "bias 1", …"""
    parameters = s.get_rnn_model(cell, vocab_size, hidden_dim, ctx=mx.cpu()).collect_params()
    return {f"{name.split('_')[-1]} {i}": p.data() for i, (name, p) in enumerate(parameters.items())}


def drive_second_bias(s: Any, cell: str, vocab_size: int, hidden_dim: int, data: list) -> dict[str, Any]:
    """The largest number in a second bias after two steps of Gluon's trainer; whether all others moved."""
    model = s.get_rnn_model(cell, vocab_size, hidden_dim, ctx=mx.cpu())
    parameters = model.collect_params()
    before = {name: parameter.data().asnumpy() for name, parameter in parameters.items()}
    trainer = gluon.Trainer(parameters, "sgd", {"learning_rate": 1.0})
    chars = nd.array(data)
    for _ in range(2):
        with autograd.record():
            outputs, _state = model(
                [nd.one_hot(X, vocab_size) for X in chars.T], model.begin_state(len(data), mx.cpu())
            )
            loss = -nd.pick(nd.log_softmax(nd.concat(*outputs, dim=0)), chars.T.reshape((-1,))).mean()
        loss.backward()
        trainer.step(1)
    after = {name: parameter.data().asnumpy() for name, parameter in parameters.items()}
    return {
        "second": [float(abs(array).max()) for name, array in after.items() if name.endswith("h2h_bias")],
        "others moved": all(
            bool((after[name] != before[name]).any()) for name in after if not name.endswith("h2h_bias")
        ),
    }


def drive_bad_cell(s: Any, cell: str) -> dict[str, Any]:
    """The error that this cell's name causes, and the outputs' shapes of a model of another name."""
    get_rnn_model = s.get_rnn_model
    model = get_rnn_model("gru", 5, 4, 1, mx.cpu())
    outputs, _ = model([nd.ones((2, 5))], (nd.zeros((2, 4)),))
    return {
        "error": refusal(lambda: get_rnn_model(cell, 5, 4, 1, mx.cpu())),
        "shapes": [list(Y.shape) for Y in outputs],
    }


def filled(s: Any, cell: str, num_layers: int, params: dict) -> Any:
    """A model with our parameters in it, by set_params."""
    vocab_size, hidden_dim = params["W_hy"].shape[::-1]
    model = s.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, mx.cpu())
    s.set_params(model, named(params))
    return model


def drive_set(s: Any, cell: str, num_layers: int, params: dict, steps: list, state: list) -> dict[str, Any]:
    """What a model answers that set_params has filled."""
    return read_on(filled(s, cell, num_layers, params), steps, state)


def drive_bad_params(s: Any, cell: str, num_layers: int, params: dict, hidden_dim: int) -> dict[str, Any]:
    """The error that parameters cause in a model of another depth or size, and what is in the right one."""
    vocab_size, set_params = len(params["b_y"]), s.set_params
    model = s.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, mx.cpu())
    right = filled(s, cell, 1, params)
    return {
        "error": refusal(lambda: set_params(model, named(params))),
        "bias": [p.data() for name, p in right.collect_params().items() if name.endswith("dense0_bias")],
    }


def drive_read(s: Any, cell: str, num_layers: int, params: dict) -> dict[str, Any]:
    """What read_params reads, and what it reads again when the first arrays have been overwritten."""
    model = filled(s, cell, num_layers, params)
    first = s.read_params(model)
    values = {name: array.asnumpy() for name, array in first.items()}
    for array in first.values():
        array[:] = 7
    return {"read": values, "again": {name: array.asnumpy() for name, array in s.read_params(model).items()}}


def drive_gradients(
    s: Any, cell: str, num_layers: int, params: dict, steps: list, state: list
) -> dict[str, Any]:
    """The gradients that read_gradients reads after backward() from the sum of squares of the outputs."""
    model = filled(s, cell, num_layers, params)
    with autograd.record():
        outputs, _state = model([nd.array(X) for X in steps], tuple(nd.array(S) for S in state))
        loss = (nd.concat(*outputs, dim=0) ** 2).sum()
    loss.backward()
    return dict(s.read_gradients(model))


def drive_epoch(
    s: Any, cell: str, params: dict, batches: list, is_random_iter: bool, theta: float, lr: float
) -> dict[str, Any]:
    """The perplexity and the parameters after train_epoch_gluon with Gluon's descent."""
    model = filled(s, cell, 1, params)
    trainer = gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": lr, "wd": 0})
    perplexity = s.train_epoch_gluon(
        model, trainer, new_batches(batches), theta, is_random_iter=is_random_iter
    )
    return {"perplexity": float(perplexity), "params": dict(s.read_params(model))}


# --- inputs ---------------------------------------------------------------------------------------


def _sizes(rng: np.random.Generator) -> tuple[int, int, int, int]:
    vocab_size, hidden_dim, batch_size, num_steps = (int(n) for n in rng.integers((4, 3, 2, 3), (7, 6, 4, 5)))
    return vocab_size, hidden_dim, batch_size, num_steps


def _steps_and_state(
    rng: np.random.Generator, cell: str, num_layers: int, sizes: tuple[int, int, int, int]
) -> dict[str, Any]:
    vocab_size, hidden_dim, batch_size, num_steps = sizes
    num_states = num_layers * (2 if cell == "lstm" else 1)
    return {
        "steps": one_hots(rng, vocab_size, num_steps, batch_size),
        "state": [normal(rng, batch_size, hidden_dim) for _ in range(num_states)],
    }


def our_params(
    rng: np.random.Generator, cell: str, num_layers: int, vocab_size: int, hidden_dim: int
) -> dict[str, np.ndarray]:
    """Parameters under our names, none of them zero."""
    params, layer = {}, LAYERS[cell][:-2]
    above = [f"{name}_{k}" for k in range(2, num_layers + 1) for name in layer]
    for name in (*layer, *above, "W_hy", "b_y"):
        _, letters, *number = name.split("_")
        sizes = {"x": hidden_dim if number else vocab_size, "y": vocab_size}
        params[name] = normal(rng, *[sizes.get(letter, hidden_dim) for letter in letters])
    return params


def _gluon_weights(
    rng: np.random.Generator, cell: str, num_layers: int, vocab_size: int, hidden_dim: int, *, second: bool
) -> dict[str, np.ndarray]:
    """Arrays in the shapes of Gluon's parameters, by the ends of their names."""
    width = hidden_dim * {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    weights = {"weight": normal(rng, vocab_size, hidden_dim), "bias": normal(rng, vocab_size)}
    for k in range(num_layers):
        weights[f"l{k}_i2h_weight"] = normal(rng, width, hidden_dim if k else vocab_size)
        weights[f"l{k}_h2h_weight"] = normal(rng, width, hidden_dim)
        weights[f"l{k}_i2h_bias"] = normal(rng, width)
        weights[f"l{k}_h2h_bias"] = normal(rng, width) * second
    return weights


def _gluon_model(rng: np.random.Generator, cell: str, num_layers: int, *, second: bool) -> dict[str, Any]:
    sizes = _sizes(rng)
    weights = _gluon_weights(rng, cell, num_layers, *sizes[:2], second=second)
    read = _steps_and_state(rng, cell, num_layers, sizes)
    return {"cell": cell, "num_layers": num_layers, "weights": weights, **read}


def _our_model(
    rng: np.random.Generator,
    cell: str,
    layers: tuple[int, ...] = (1, 2),
    *,
    reads: bool = True,
    square: bool = False,
) -> dict[str, Any]:
    """Our parameters of one or more layers, and something to read. square: all matrices are."""
    sizes, num_layers = _sizes(rng), int(rng.choice(layers))
    sizes = (sizes[1], *sizes[1:]) if square else sizes
    params = our_params(rng, cell, num_layers, *sizes[:2])
    inputs = {"cell": cell, "num_layers": num_layers, "params": params}
    return {**inputs, **_steps_and_state(rng, cell, num_layers, sizes)} if reads else inputs


def _draw_data(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, hidden_dim, batch_size, num_steps = _sizes(rng)
    data = rng.integers(vocab_size, size=(batch_size, num_steps)).tolist()
    cell = str(rng.choice(["rnn", "gru", "lstm"]))
    return {"cell": cell, "vocab_size": vocab_size, "hidden_dim": hidden_dim, "data": data}


def _draw_bad_params(rng: np.random.Generator) -> dict[str, Any]:
    hidden_dim, deeper = int(rng.integers(2, 5)), bool(rng.integers(2))
    return {
        "cell": "lstm",
        "num_layers": 2 if deeper else 1,
        "params": our_params(rng, "lstm", 1, 5, hidden_dim),
        "hidden_dim": hidden_dim if deeper else hidden_dim + 1,
    }


def _draw_epoch(
    rng: np.random.Generator, is_random_iter: bool, *, theta: float = 0.5, lr: float = 1.0
) -> dict[str, Any]:
    vocab_size, hidden_dim, batch_size, _ = _sizes(rng)
    rows = [int(rng.integers(1, 5)) if is_random_iter else batch_size for _ in range(3)]
    shapes = [(n, int(rng.integers(2, 6))) for n in rows]
    return {
        "cell": "rnn",
        "params": our_params(rng, "rnn", 1, vocab_size, hidden_dim),
        "batches": draw_batches(rng, vocab_size, shapes),
        "is_random_iter": is_random_iter,
        "theta": theta,
        "lr": lr,
    }


# --- checks ---------------------------------------------------------------------------------------


def _refuses(answer: Any, expected: Any, inputs: dict) -> str | None:
    """A ValueError where one is expected, and everything else as expected."""
    if "ValueError" not in answer["error"]:
        return f"a ValueError is expected, not {answer['error'][0] if answer['error'] else 'an answer'}"
    rest = [key for key in expected if key != "error"]
    return only(*rest)(answer, expected, inputs)


def _is_new(answer: Any, expected: Any, inputs: dict) -> str | None:
    shapes = [sorted(str(array.shape) for array in arrays.values()) for arrays in (answer, expected)]
    if shapes[0] != shapes[1]:
        return f"parameters of the shapes {shapes[1]} are expected, not {shapes[0]}"
    wrong = (not_drawn(name, answer[name], inputs.get("scale", 0.01)) for name in expected)
    return next(filter(None, wrong), None)


# --- the cases ------------------------------------------------------------------------------------

of_model = partial(Case, function="get_rnn_model", lesson=13)
of_setting = partial(Case, function="set_params", lesson=13)
of_reading = partial(Case, function="read_params", lesson=13, drive=drive_read)
of_epoch = partial(Case, function="train_epoch_gluon", lesson=13, drive=drive_epoch)
BLOCK = [
    Case(
        name=f"the block reads {layers}, and begins with zeros",
        function="RNNModel",
        lesson=13,
        drive=drive_block,
        example=_gluon_model(np.random.default_rng(1), cell, num_layers, second=True),
        draw=partial(_gluon_model, cell=cell, num_layers=num_layers, second=True),
        mistakes=(
            Mistake(
                "the outputs are a list of num_steps matrices, as those of rnn",
                shows=lambda answer, expected, inputs: (
                    len(answer["outputs"]) not in (len(expected["outputs"]), len(expected["outputs"][0]))
                ),
            ),
        ),
    )
    for cell, num_layers, layers in (("gru", 1, "one layer"), ("lstm", 2, "two layers of two states"))
]
MODEL = [
    of_model(
        name=f"the model of {cell!r} is that cell, as we write it",
        drive=drive_layer,
        example=_gluon_model(np.random.default_rng(1), cell, num_layers, second=False),
        draw=partial(_gluon_model, cell=cell, num_layers=num_layers, second=False),
    )
    for cell, num_layers in (("rnn", 1), ("gru", 2), ("lstm", 2))
]
NEW = of_model(
    name="new weights are normal with deviation 0.01, and biases zero",
    drive=drive_new_model,
    example={"cell": "lstm", "vocab_size": 80, "hidden_dim": 100},
    draw=lambda rng: {
        "cell": str(rng.choice(["rnn", "gru", "lstm"])),
        "vocab_size": int(rng.integers(70, 90)),
        "hidden_dim": int(rng.integers(80, 110)),
    },
    check=_is_new,
)
FROZEN = of_model(
    name="the second bias stays zero in training",
    drive=drive_second_bias,
    example={"cell": "gru", "vocab_size": 3, "hidden_dim": 2, "data": [[0, 1, 2], [2, 0, 1]]},
    draw=_draw_data,
    mistakes=(
        Mistake(
            told("13_concise_second_bias_is_trained_too"), shows=lambda answer, *_: max(answer["second"]) > 0
        ),
        Mistake(
            "a parameter other than the second bias does not move in training",
            shows=lambda answer, *_: not answer["others moved"],
        ),
    ),
)
UNKNOWN_CELL = of_model(
    name="an unknown cell is a ValueError",
    drive=drive_bad_cell,
    example={"cell": "elman"},
    draw=lambda rng: {"cell": "".join(rng.choice(list("nugrtml"), size=5))},
    check=_refuses,
)
SET = [
    of_setting(
        name=f"a model of {cell!r} with our parameters in it answers as {cell}",
        drive=drive_set,
        example=_our_model(np.random.default_rng(1), cell, (1,)),
        draw=partial(_our_model, cell=cell),
    )
    for cell in LAYERS
]
BAD_PARAMS = of_setting(
    name="parameters of another depth or size are a ValueError",
    drive=drive_bad_params,
    example={
        "cell": "lstm",
        "num_layers": 2,
        "params": our_params(np.random.default_rng(1), "lstm", 1, 3, 2),
        "hidden_dim": 2,
    },
    draw=_draw_bad_params,
    check=_refuses,
)
READ = [
    of_reading(
        name=f"what is read from a model of {cell!r} is what was set, under our names",
        example=_our_model(np.random.default_rng(1), cell, (1,), reads=False, square=True),
        draw=partial(_our_model, cell=cell, reads=False, square=True),
        check=only("read"),
    )
    for cell in GATED
]
COPIES = of_reading(
    name="what is read are copies: to overwrite them changes nothing in the model",
    example=_our_model(np.random.default_rng(1), "rnn", (1,), reads=False),
    draw=partial(_our_model, cell="rnn", layers=(1,), reads=False),
    check=only("again"),
    mistakes=(
        Mistake(
            "the model changed when what was read was overwritten: hand out copies",
            shows=lambda answer, *_: any((array == 7).all() for array in answer["again"].values()),
        ),
    ),
)
GRADIENTS = [
    Case(
        name=f"the gradients of a model of {cell!r} come under our names",
        function="read_gradients",
        lesson=13,
        drive=drive_gradients,
        example=_our_model(np.random.default_rng(1), cell, (1,)),
        draw=partial(_our_model, cell=cell, square=True),
        check=within(atol=1e-4),
    )
    for cell in GATED
]
RESET_AFTER = cell_cases("gru_reset_after", 13, GRU_NAMES)
COUNTED = of_epoch(
    name="the perplexity counts every character alike",
    example=_draw_epoch(np.random.default_rng(1), True, theta=UNBOUNDED, lr=1e-9),
    draw=partial(_draw_epoch, is_random_iter=True, theta=UNBOUNDED, lr=1e-9),
    check=only("perplexity"),
)
EPOCHS = [
    of_epoch(
        name=f"an epoch of {kind} batches trains the model as lesson 9 does",
        example=_draw_epoch(np.random.default_rng(1), is_random_iter),
        draw=partial(_draw_epoch, is_random_iter=is_random_iter),
        check=only("params", rtol=1e-3),
    )
    for kind, is_random_iter in (("random", True), ("consecutive", False))
]

CASES = [
    *(*BLOCK, *MODEL, NEW, FROZEN, UNKNOWN_CELL, *SET, BAD_PARAMS, *READ, COPIES, *GRADIENTS, *RESET_AFTER),
    *(COUNTED, *EPOCHS),
]
