"""evaluate --adaptive and predict --cache: lesson 20 applied to the network of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from mxnet import nd

from ..adaptive import (
    AdaptiveModel,
    DynamicNetwork,
    LongestMatch,
    NeuralCache,
    OnlineKneserNey,
    predict_and_read,
)
from ..checks import check_memory
from ..decoding import Writer
from ..fast import Network
from ..rnn import State
from .measure import Score, Text

BYTES_PER_CHAR = 6000  # of the counts of all orders, on a text in which hardly anything comes again
CHUNK = 100  # characters between two reports of progress
WEIGHT = 0.2  # of the memory, when a network writes
WINDOW = 500  # characters that it holds
THETA = 20.0


def new_model(network: Network, params: Any) -> AdaptiveModel:
    """A network that has read nothing, with all that learns beside it."""
    vocab_size = params[-2].shape[1]  # params[-2] is W_hy
    static, moving = DynamicNetwork(network, params, lr=0.0), DynamicNetwork(network, params)
    others = NeuralCache(moving), OnlineKneserNey(vocab_size), LongestMatch(vocab_size)
    return AdaptiveModel([static, moving, *others], ctx=params[-2].context)


def measure_adaptively(
    network: Network,
    params: Any,
    texts: Iterable[Text],
    progress: Callable[[int], object] = lambda num_chars: None,
) -> list[Score]:
    """The score of each text, of at least two known characters, by a network that learns while reading it.

    Each character is predicted, and only then read and learnt from; each text begins with what the run has
    learnt, and nothing else. The first character is not scored, as in measure.

    Raises:
        ValueError: a text is too long for the memory.
        FloatingPointError: a prediction is not a number.
    """
    scores = []
    for text in texts:
        num_bytes = BYTES_PER_CHAR * len(text.indices)
        check_memory(f"{text.name!r} with --adaptive needs", num_bytes, "cut it into several files")
        model, nats = new_model(network, params), 0.0
        predict_and_read(model, text.indices[:1])
        for start in range(1, len(text.indices), CHUNK):
            each = predict_and_read(model, text.indices[start : start + CHUNK])
            nats += float(each.sum())
            if not np.isfinite(nats):
                raise FloatingPointError("the output is not finite: the parameters hold NaN or infinity")
            progress(len(each))
        scores.append(Score(text.name, text.num_chars, len(text.indices) - 1, text.unknown, nats))
    return scores


class Remembering(NamedTuple):
    """What a writer with a memory carries: the state of its network; keys, and what followed each of them."""

    own: State
    memory: deque[tuple[nd.NDArray, np.ndarray]]


def cached_writer(
    network: Network, params: Any, *, weight: float = WEIGHT, window: int = WINDOW, theta: float = THETA
) -> Writer:
    """A writer that remembers what it has read and written: (1 - weight) softmax(Y) + weight P_cache.

    P_cache is that of lesson 20 with the key H_t, for each row from its own text; the prefix belongs to it.
    """
    writer, top = network.writer(params), -network.cell.steps.num_states

    def init_state(batch_size: int) -> Any:
        num_bytes = 8 * batch_size * window * (writer.hidden_dim + 1)  # of the memory, and of it as one array
        check_memory("with --cache these texts need", num_bytes, "give fewer prefixes or samples")
        return Remembering(writer.init_state(batch_size), deque(maxlen=window))

    def read(X: nd.NDArray, state: Any) -> tuple[nd.NDArray, Any]:
        own, memory = state
        memory.append((nd.L2Normalization(own[top]), X.asnumpy()[0]))
        logits, own = writer.read(X, own)
        P = (1 - weight) * nd.softmax(logits).asnumpy()
        keys, followers = zip(*memory)
        cosines = nd.batch_dot(nd.stack(*keys, axis=1), nd.L2Normalization(own[top]).expand_dims(2))
        weights = nd.softmax(theta * cosines, axis=1).asnumpy()[:, :, 0]
        np.add.at(P, (np.arange(len(P))[:, None], np.stack(followers, axis=1)), weight * weights)
        return nd.array(np.log(np.maximum(P, 1e-38)), logits.context), Remembering(own, memory)

    return Writer(init_state, read, writer.hidden_dim, writer.ctx)
