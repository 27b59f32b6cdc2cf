"""How lessons 15 and 17 train: one wait for the numbers of a batch, one pass over the parameters."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from mxnet import nd

from ..checks import check_loss, check_positive, to_indices
from ..clipping import grad_clipping
from ..optim import BETA1, BETA2, EPS, Optimizer
from ..rnn import Params, State
from ..sampling import Batch
from .layers import Arrays, Operator, graph

SMALL, LARGE = 1e-20, 1e30  # between them a sum of squares is exact enough in float32


def train_batch(
    learner: Any, params: Params, state: State, batch: Batch, optimizer: Optimizer, theta: float
) -> tuple[float, State]:
    """Learn, clip and step, as train_batches wants it: (nats per character, new state).

    learner: what has learn and measure, a Network or a Replica, whose method this is.
    """
    loss, new_state = learner.learn(*batch, state, params)
    measure = functools.partial(learner.measure, *batch, state, params)
    return clip_and_step(loss, params, batch, optimizer, theta, measure), new_state


def clip_and_step(
    loss: nd.NDArray,
    params: Params,
    batch: Batch,
    optimizer: Optimizer,
    theta: float,
    measure: Callable[[], float],
) -> float:
    """Lessons 6 and 7 with the gradients that learn has left; the loss of the batch, nats per character.

    Waits once, for the loss and the norm of the gradients together; until then nothing has been changed.
    measure: computes the loss where float32 has no logarithm of a probability.

    Raises:
        IndexError: data or label are out of range.
        FloatingPointError: the loss or a gradient is not finite; the parameters are as they were.
    """
    check_positive(theta=theta)
    (numbers,) = _numbers(len(params))([loss], batch, [param.grad.reshape(-1) for param in params])
    nats, low, high, *squares = numbers.asnumpy().tolist()
    if low < 0 or high >= params[-1].size:
        to_indices(nd.stack(*batch), params[-1].size)
    nats = measure() if nats == math.inf else nats
    check_loss(nats)
    square, scale = math.fsum(squares), 1.0
    if SMALL < square < LARGE:
        scale = min(1.0, theta / math.sqrt(square))
    else:
        grad_clipping(params, theta)  # slower, and right for any gradient
    step(params, optimizer, scale)
    return nats


@functools.lru_cache(maxsize=32)
def _numbers(num_gradients: int) -> Operator:
    """In one array: the loss, the least and the largest index, and each gradient's sum of squares."""

    def gather(F: Any, loss: Arrays, batch: Arrays, gradients: Arrays) -> list[Any]:
        chars = F.cast(F.concat(*[F.reshape(each, shape=(-1,)) for each in batch], dim=0), "float32")
        return [F.concat(*loss, F.min(chars), F.max(chars), *[F.dot(g, g) for g in gradients], dim=0)]

    return graph(gather, (1, 2, num_gradients), weights=2)


def step(params: Params, optimizer: Optimizer, scale: float) -> None:
    """Lesson 7's step with the gradients times scale; each array is read and written once, if none decays."""
    optimizer.t += 1
    if optimizer.name == "sgd":
        pairs = [array for param in params for array in (param, param.grad)]
        n = len(params)
        lrs, wds = [optimizer.lr] * n, [optimizer.weight_decay] * n
        nd.multi_sgd_update(*pairs, lrs=lrs, wds=wds, num_weights=n, rescale_grad=scale, out=list(params))
        return
    root = math.sqrt(1 - BETA2**optimizer.t)  # MXNet adds eps to the root before it is corrected by this
    lr = optimizer.lr * root / (1 - BETA1**optimizer.t)
    for param, (m, v) in zip(params, optimizer.states):
        if optimizer.weight_decay:  # adam_update's own would go into m and v
            param *= 1 - optimizer.lr * optimizer.weight_decay
        nd.adam_update(param, param.grad, m, v, lr, BETA1, BETA2, EPS * root, rescale_grad=scale, out=param)
