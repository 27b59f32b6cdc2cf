"""MXNet Gluon: the fused recurrent layers, hybridized, with Gluon's own loss, clipping and Trainer.

A fused layer multiplies its inputs by a matrix. With a large vocabulary it gets rows that an Embedding has
looked up, and the matrix is the identity, which costs less than one-hot inputs; with a small one both are
tried. Its GRU applies the reset gate after the product: Gluon has no other form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import d2lrnn  # noqa: F401 (mxnet needs it)

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

from .work import BETA1, BETA2, EPS, Contender, Params, Task, from_fused, to_fused

LAYERS = {"rnn": gluon.rnn.RNN, "gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM}


class Model(gluon.HybridBlock):
    """Indices (num_steps, batch_size) to logits."""

    def __init__(self, task: Task, one_hot: bool) -> None:
        super().__init__()
        self.task, width = task, task.num_gates * task.hidden_dim
        self.one_hot = one_hot
        tanh = {"activation": "tanh"} if task.cell == "rnn" else {}
        entering = task.vocab_size if self.one_hot else width
        self.rnn = LAYERS[task.cell](task.hidden_dim, task.num_layers, input_size=entering, **tanh)
        self.dense = gluon.nn.Dense(task.vocab_size, in_units=task.hidden_dim, flatten=False)
        for k in range(task.num_layers):  # zero: the other bias stands in the same place
            getattr(self.rnn, f"l{k}_h2h_bias").grad_req = "null"
        if not self.one_hot:
            self.embedding = gluon.nn.Embedding(task.vocab_size, width)
            self.rnn.l0_i2h_weight.grad_req = "null"

    def hybrid_forward(self, F: Any, data: Any, *state: Any) -> Any:
        """Logits (num_steps, batch_size, vocab_size)."""
        X = F.one_hot(data, self.task.vocab_size) if self.one_hot else self.embedding(data)
        return self.dense(self.rnn(X, list(state))[0])


class Fused(Contender):
    """Gluon's layers and Trainer."""

    reset = "after"

    def __init__(self, task: Task, variant: str = "rows") -> None:
        self.task, self.t, self.model = task, 0, Model(task, variant == "one-hot")
        self.model.initialize(mx.init.Zero())
        self._set(task.params())
        self.model.hybridize(static_alloc=True, static_shape=True)
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        self.loss.hybridize(static_alloc=True, static_shape=True)
        settings = {"learning_rate": task.lr, "beta1": BETA1, "beta2": BETA2}
        self.trainer = gluon.Trainer(self.model.collect_params(), "adam", settings, kvstore=None)
        self.trained = [p for p in self.model.collect_params().values() if p.grad_req != "null"]
        self.state = self.model.rnn.begin_state(task.batch_size)

    @staticmethod
    def variants(task: Task) -> list[str]:
        """The way in which characters enter."""
        return task.entering

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        data, label = (nd.array(array.T, dtype="int32") for array in (data, label))
        with autograd.record():
            loss = self.loss(self.model(data, *self.state), label).mean()
        loss.backward()
        gradients = [parameter.grad() for parameter in self.trained]
        gluon.utils.clip_global_norm(gradients, self.task.theta, check_isfinite=False)
        self.t += 1
        self.trainer.optimizer.epsilon = EPS * math.sqrt(1 - BETA2**self.t)  # its root is not corrected
        self.trainer.step(1)
        return float(loss.asscalar())

    def _places(self) -> list[Any]:
        """Gluon's parameters, in the order of ours."""
        rnn, dense, kinds = self.model.rnn, self.model.dense, ("i2h_weight", "h2h_weight", "i2h_bias")
        places = [getattr(rnn, f"l{k}_{kind}") for k in range(self.task.num_layers) for kind in kinds]
        if not self.model.one_hot:
            places[0] = self.model.embedding.weight
        return [*places, dense.weight, dense.bias]

    def _transposed(self, arrays: Params) -> Params:
        """Those of _places, from Gluon's layout into ours or back: an embedding's rows are rows of W_x."""
        return [arrays[0].T if self.model.one_hot else arrays[0], *(array.T for array in arrays[1:])]

    def _set(self, params: Params) -> None:
        arrays = [*(to_fused(self.task.cell, array) for array in params[:-2]), *params[-2:]]
        for place, array in zip(self._places(), self._transposed(arrays)):
            place.set_data(nd.array(array))
        if not self.model.one_hot:
            self.model.rnn.l0_i2h_weight.set_data(nd.eye(arrays[0].shape[1]))

    def moments(self) -> Params:
        """Of Adam."""
        states = self.trainer._updaters[0].states  # Gluon shows them nowhere else
        numbers = {p.name: i for i, p in enumerate(self.trainer._params)}
        arrays = self._transposed([states[numbers[place.name]][0].asnumpy() for place in self._places()])
        return [*(from_fused(self.task.cell, array) for array in arrays[:-2]), *arrays[-2:]]


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts: dot, and what a Dense layer calls."""
    A, A_T, B, B_T = (nd.array(one) for one in (a, a.T, b, b.T))
    width = b.shape[1]
    return [
        lambda: nd.dot(A, B).wait_to_read(),
        lambda: nd.dot(A_T, B, transpose_a=True).wait_to_read(),
        lambda: nd.dot(A, B_T, transpose_b=True).wait_to_read(),
        lambda: nd.FullyConnected(A, B_T, num_hidden=width, no_bias=True).wait_to_read(),
    ]
