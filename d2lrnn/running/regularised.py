"""The network of a run by its settings: perhaps tied, and with dropout in training."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import Any, NamedTuple

import mxnet as mx

from ..decoding import Writer
from ..fast import Network, Regularisers, get_network, train_batch
from ..optim import Optimizer
from ..regularise import untie
from ..rnn import State
from ..sampling import Batch
from .settings import Settings

SHORT = 16  # steps of a graph where batches have many lengths: each length of a span has graphs of its own


class Regularised(NamedTuple):
    """Lesson 15's network for training, with the same methods, whose parameters may be tied.

    Tied parameters are W_e (vocab_size, hidden_dim), the layers' as if they read hidden_dim characters, and
    b_y. What reads (rnn, measure, writer) takes them, too.
    """

    network: Network
    tied: bool
    how: Regularisers

    @property
    def parts(self) -> int:
        """How many parts a batch is cut into."""
        return self.network.parts

    def cut(self, parts: int) -> Regularised:
        """The same network, with batches cut into another number of parts."""
        return self._replace(network=self.network._replace(parts=parts))

    def get_params(
        self, vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
    ) -> Any:
        """New parameters: weights normal with deviation scale, biases zero."""
        if not self.tied:
            return self.network.get_params(vocab_size, hidden_dim, ctx, scale=scale)
        outside = get_network("rnn").get_params(vocab_size, hidden_dim, ctx, scale=scale)
        layers = self.network.get_params(hidden_dim, hidden_dim, ctx, scale=scale)[:-2]
        names = [name for name, _ in self.shapes(vocab_size, hidden_dim)]
        return namedtuple("Params", names)(*[outside.W_xh, *layers, outside.b_y])

    def shapes(self, vocab_size: int, hidden_dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each parameter, in the order of get_params, and without making it."""
        if not self.tied:
            yield from self.network.shapes(vocab_size, hidden_dim)
            return
        yield "W_e", (vocab_size, hidden_dim)
        yield from [*self.network.shapes(hidden_dim, hidden_dim)][:-2]
        yield "b_y", (vocab_size,)

    def init_state(self, batch_size: int, hidden_dim: int, ctx: mx.Context | None = None) -> State:
        """The zero states of all layers, one after the other."""
        return self.network.init_state(batch_size, hidden_dim, ctx)

    def rnn(self, inputs: Any, state: State, params: Any) -> tuple[list[mx.nd.NDArray], State]:
        """Lesson 15's, for reading."""
        return self.network.rnn(inputs, state, untied(params))

    def learn(
        self, data: mx.nd.NDArray, label: mx.nd.NDArray, state: State, params: Any
    ) -> tuple[mx.nd.NDArray, State]:
        """Lesson 15's, with all that is dropped."""
        return self.network.learn(data, label, state, params, self.how)

    def train_batch(
        self, params: Any, state: State, batch: Batch, optimizer: Optimizer, theta: float
    ) -> tuple[float, State]:
        """Learn, clip and step, as train_batches wants it: (nats per character, new state)."""
        return train_batch(self, params, state, batch, optimizer, theta)

    def measure(self, data: mx.nd.NDArray, label: mx.nd.NDArray, state: State, params: Any) -> float:
        """Lesson 15's: the loss from logits."""
        return self.network.measure(data, label, state, untied(params))

    def writer(self, params: Any) -> Writer:
        """Lesson 15's: what generate_batch writes with."""
        return self.network.writer(untied(params))


def untied(params: Any) -> Any:
    """What reads them as an ordinary network: lesson 19's untie, where they are tied."""
    return untie(params) if "W_e" in params._fields else params


def get_regularised(settings: Settings, unseen: mx.nd.NDArray | None = None) -> Regularised:
    """The network that settings ask for. unseen: what targets give away, (vocab_size,)."""
    how = Regularisers(
        outputs=settings.dropout or 0.0,
        locked=settings.locked_dropout,
        inputs=settings.dropout_in,
        chars=settings.dropout_embedding,
        weights=settings.weight_drop,
        unseen=unseen,
    )
    network = get_network(settings.cell, settings.layers)
    if settings.sampler == "variable":
        network = network._replace(max_steps=SHORT)
    return Regularised(network, settings.tied, how)
