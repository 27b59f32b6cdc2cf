"""Lesson 13. The same networks from Gluon's layers, with our parameters inside them, or theirs in our names.

Gluon keeps its matrices transposed, (units, inputs), stacks those of all gates in one, and has two biases
where one will do. `set_params` writes our parameters its way; `read_params` and `read_gradients` read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import mxnet as mx
from mxnet import autograd, gluon, nd

from .checks import check_size
from .gru import GRUParams
from .loss import perplexity
from .onehot import get_inputs
from .rnn import State
from .sampling import Batch, try_gpu

GATES = {gluon.rnn.RNN: "h", gluon.rnn.GRU: "rzh", gluon.rnn.LSTM: "ifco"}  # our letters, in Gluon's order


class RNNModel(gluon.nn.Block):
    """A recurrent layer of Gluon, and a Dense layer from its states to the logits."""

    def __init__(self, rnn_layer: Any, vocab_size: int) -> None:
        super().__init__()
        self.num_layers, _, self.hidden_dim = rnn_layer.state_info(1)[0]["shape"]
        self.vocab_size = vocab_size
        self.rnn = rnn_layer
        self.dense = gluon.nn.Dense(vocab_size, in_units=self.hidden_dim, flatten=False)

    def forward(self, inputs: Sequence[nd.NDArray], state: State) -> tuple[list[nd.NDArray], State]:
        """As rnn, gru and lstm, without params: num_steps outputs (batch_size, vocab_size), the new state.

        state: H, or H and C, of the first layer, then of the second, …, each (batch_size, hidden_dim).
        """
        width = len(state) // self.num_layers
        stacked = [nd.stack(*state[i::width]) for i in range(width)]  # (num_layers, batch_size, hidden_dim)
        H, stacked = self.rnn(nd.stack(*inputs), stacked)
        outputs = self.dense(H)  # (num_steps, batch_size, vocab_size)
        return list(outputs), tuple(S[k] for k in range(self.num_layers) for S in stacked)

    def begin_state(self, batch_size: int, ctx: mx.Context | None = None) -> State:
        """Zeros, in the order that forward takes."""
        check_size(batch_size=batch_size)
        num_states = self.num_layers * len(self.rnn.state_info())
        shape = batch_size, self.hidden_dim
        return tuple(nd.zeros(shape, ctx=ctx or try_gpu()) for _ in range(num_states))


def get_rnn_model(
    cell: str, vocab_size: int, hidden_dim: int, num_layers: int = 1, ctx: mx.Context | None = None
) -> RNNModel:
    """A model of "rnn" (with tanh: Gluon's own choice is relu), "gru" or "lstm", its weights normal(0.01).

    The second bias, h2h_bias, is zero and stays so: i2h_bias is added in the same place. (Not so in the
    candidate of a GRU, where it stands behind the reset gate; our formula has none there.)

    Raises:
        ValueError: there is no such cell, or a size is not an integer of at least 1.
    """
    check_size(vocab_size=vocab_size, hidden_dim=hidden_dim, num_layers=num_layers)
    if cell == "rnn":
        layer = gluon.rnn.RNN(hidden_dim, num_layers, activation="tanh", input_size=vocab_size)
    elif cell in ("gru", "lstm"):
        Layer = gluon.rnn.GRU if cell == "gru" else gluon.rnn.LSTM
        layer = Layer(hidden_dim, num_layers, input_size=vocab_size)
    else:
        raise ValueError(f"cell is {cell!r}: give 'rnn', 'gru' or 'lstm'")
    model = RNNModel(layer, vocab_size)
    model.collect_params(".*h2h_bias").setattr("grad_req", "null")
    model.initialize(mx.init.Normal(0.01), ctx=ctx or try_gpu())
    return model


def _places(model: RNNModel) -> Iterator[tuple[Any, list[str]]]:
    """Every trained parameter of Gluon's, and the names of those of ours that lie in it side by side."""
    gates = GATES[type(model.rnn)]
    for k in range(model.num_layers):
        suffix = f"_{k + 1}" if k else ""
        for theirs, ours in (("i2h_weight", "W_x"), ("h2h_weight", "W_h"), ("i2h_bias", "b_")):
            yield getattr(model.rnn, f"l{k}_{theirs}"), [f"{ours}{gate}{suffix}" for gate in gates]
    yield model.dense.weight, ["W_hy"]
    yield model.dense.bias, ["b_y"]


def set_params(model: RNNModel, params: Any) -> None:
    """Copy our params, a NamedTuple, into the model. Layer 2 goes by the names W_xh_2, W_hh_2, b_h_2, ….

    Raises:
        ValueError: the names or the shapes are not those of this model.
    """
    arrays, places = params._asdict(), list(_places(model))
    wanted = {name for _, names in places for name in names}
    if set(arrays) != wanted:
        raise ValueError(
            f"{', '.join(sorted(set(arrays) ^ wanted))}: in the params or in the model, not both"
        )
    joined = [nd.concat(*[arrays[name] for name in names], dim=-1).T for _, names in places]
    for (parameter, names), array in zip(places, joined):
        if parameter.shape != array.shape:
            raise ValueError(f"{names} would be {array.shape} in Gluon's layer, and it has {parameter.shape}")
    for (parameter, _), array in zip(places, joined):
        parameter.set_data(array)


def _read(model: RNNModel, what: str) -> dict[str, nd.NDArray]:
    arrays: dict[str, nd.NDArray] = {}
    for parameter, names in _places(model):
        parts = nd.split(getattr(parameter, what)().T, num_outputs=len(names), axis=-1)
        arrays |= dict(zip(names, parts if len(names) > 1 else [parts]))
    return arrays


def read_params(model: RNNModel) -> dict[str, nd.NDArray]:
    """Copies of the model's parameters, under our names and in our shapes."""
    return _read(model, "data")


def read_gradients(model: RNNModel) -> dict[str, nd.NDArray]:
    """Copies of their gradients, likewise."""
    return _read(model, "grad")


def gru_reset_after(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray], params: GRUParams
) -> tuple[list[nd.NDArray], tuple[nd.NDArray]]:
    """The gru of lesson 11 in Gluon's and cuDNN's form: the reset gate R acts after the product with W_hh."""
    (H,) = state
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        Z = nd.sigmoid(nd.dot(X, W_xz) + nd.dot(H, W_hz) + b_z)
        R = nd.sigmoid(nd.dot(X, W_xr) + nd.dot(H, W_hr) + b_r)
        H_tilde = nd.tanh(nd.dot(X, W_xh) + R * nd.dot(H, W_hh) + b_h)
        H = Z * H + (1 - Z) * H_tilde
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)


def train_epoch_gluon(
    model: RNNModel, trainer: Any, batches: Iterable[Batch], clipping_theta: float, *, is_random_iter: bool
) -> float:
    """train_epoch of lesson 9 with Gluon's loss, clipping and trainer; the perplexity over all characters."""
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
    parameters = [parameter for parameter, _ in _places(model)]
    nats = num_chars = 0.0
    state: State | None = None
    for data, label in batches:
        if is_random_iter or state is None:
            state = model.begin_state(len(data), data.context)
        state = tuple(S.detach() for S in state)
        with autograd.record():
            outputs, state = model(get_inputs(data, model.vocab_size), state)
            loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1)).mean()
        loss.backward()
        gluon.utils.clip_global_norm([parameter.grad() for parameter in parameters], clipping_theta)
        trainer.step(1)  # step(n) divides the gradients by n, and ours are those of a mean already
        nats += loss.asscalar() * label.size
        num_chars += label.size
    if not num_chars:
        raise ValueError("there are no batches to train on")
    return perplexity(nats / num_chars)
