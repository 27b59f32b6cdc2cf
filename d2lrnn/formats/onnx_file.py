"""A trained network as an ONNX graph of standard operators, for onnxruntime and other readers of ONNX.

ONNX keeps the matrices of a layer's gates transposed and stacked in one, and has two biases where one will
do. Its GRU lets the reset gate act before the product with W_hh (linear_before_reset=0), as the book's does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..running.settings import Settings
from ..text import Vocab
from .safetensors_file import describe, to_arrays, write_file

GATES = {"rnn": "h", "gru": "zrh", "lstm": "iofc"}  # our letters, in ONNX's order
OPSET, IR_VERSION = 14, 8  # from 2021: whatever reads ONNX today reads these
MAX_BYTES = 2**31 - 2**24  # a protobuf message ends at 2 GiB; the graph around the arrays is small


def write_onnx(path: Path, settings: Settings, vocab: Vocab, params: Any, what: str = "") -> None:
    """Write the graph to one file, atomically. what: which state of its run the network is, in words.

    Raises:
        ValueError: a parameter is not finite, they are too large for ONNX, or path is taken by no file.
    """
    arrays = to_arrays(params)
    num_bytes = sum(array.nbytes for array in arrays.values())
    if num_bytes > MAX_BYTES:
        raise ValueError(f"the parameters have {num_bytes:,} bytes, and ONNX takes {MAX_BYTES:,} at most")
    write_file(path, build_model(settings, vocab, arrays, what).SerializeToString())


def build_model(settings: Settings, vocab: Vocab, arrays: dict[str, np.ndarray], what: str = "") -> Any:
    """The graph of a network with these arrays, an onnx.ModelProto.

    Inputs: indices (num_steps, batch_size), int64; the states H, C (an lstm's), H_2, C_2, …, each
    (batch_size, hidden_dim). Outputs: logits (num_steps * batch_size, vocab_size), time-major; new_H, ….
    """
    V, N = len(vocab), settings.hidden_dim
    constants = {
        "vocabulary": np.arange(V),
        "vocab_size": np.array(V),
        "off_on": np.array([0, 1], np.float32),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
        "rows": np.array([-1, N]),
        "W_hy": arrays["W_hy"],
        "b_y": arrays["b_y"],
    }
    nodes = [
        helper.make_node(
            "Gather", ["vocabulary", "indices"], ["known"]
        ),  # an index beyond V is an error here
        helper.make_node("OneHot", ["known", "vocab_size", "off_on"], ["X"]),
    ]
    states: list[str] = []
    below = "X"
    for suffix in ["", *(f"_{k}" for k in range(2, settings.layers + 1))]:
        names = [f"{letter}{suffix}" for letter in ("HC" if settings.cell == "lstm" else "H")]
        constants |= _stack(settings.cell, suffix, arrays)
        nodes += _layer(settings.cell, suffix, below, names, N)
        states += names
        below = f"all_H{suffix}"
    nodes += [
        helper.make_node("Reshape", [below, "rows"], ["H_rows"]),
        helper.make_node("Gemm", ["H_rows", "W_hy", "b_y"], ["logits"]),
    ]
    inputs = [_value("indices", TensorProto.INT64, "num_steps", "batch_size")]
    outputs = [_value("logits", TensorProto.FLOAT, "num_steps * batch_size", V)]
    inputs += [_value(name, TensorProto.FLOAT, "batch_size", N) for name in states]
    outputs += [_value(f"new_{name}", TensorProto.FLOAT, "batch_size", N) for name in states]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, settings.cell, inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="d2lrnn", ir_version=IR_VERSION, opset_imports=opsets)
    helper.set_model_props(model, describe(settings, vocab, what))
    return model


def _stack(cell: str, suffix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of a layer in ONNX's form: W and R (1, gates * hidden_dim, …), B (1, both biases)."""
    W_x, W_h, b = (
        np.concatenate([arrays[f"{letter}{gate}{suffix}"].T for gate in GATES[cell]])
        for letter in ("W_x", "W_h", "b_")
    )
    B = np.concatenate([b, np.zeros_like(b)])
    return {f"W{suffix}": W_x[None], f"R{suffix}": W_h[None], f"B{suffix}": B[None]}


def _layer(cell: str, suffix: str, below: str, states: list[str], hidden_dim: int) -> list[Any]:
    """All steps of one layer. ONNX's states and outputs have one axis more than ours, for two directions."""
    parameters = [f"{letter}{suffix}" for letter in "WRB"]
    before, after = [f"first_{name}" for name in states], [f"last_{name}" for name in states]
    return [
        *(helper.make_node("Unsqueeze", [S, "axis_0"], [f"first_{S}"]) for S in states),
        helper.make_node(
            cell.upper(),
            [below, *parameters, "", *before],
            [f"Y{suffix}", *after],
            hidden_size=hidden_dim,
        ),
        helper.make_node("Squeeze", [f"Y{suffix}", "axis_1"], [f"all_H{suffix}"]),
        *(helper.make_node("Squeeze", [f"last_{S}", "axis_0"], [f"new_{S}"]) for S in states),
    ]


def _value(name: str, dtype: int, *shape: str | int) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)
