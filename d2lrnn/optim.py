"""Lesson 7. A step downhill: stochastic gradient descent, Adam, AdamW, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mxnet import nd

from .checks import check_gradients, check_not_negative, check_positive, check_size
from .rnn import Params

BETA1 = 0.9  # these three are Adam's, as in the paper
BETA2 = 0.999
EPS = 1e-8
SCHEDULES = ("constant", "cosine")
Moments = tuple[nd.NDArray, nd.NDArray]  # m, v: the running means of the gradient and of its square


def sgd(params: Params, lr: float, *, weight_decay: float = 0.0) -> None:
    """param <- param - lr * (gradient + weight_decay * param), in place.

    Raises:
        ValueError: a parameter has no gradient, lr is not positive, or weight_decay is below 0.
    """
    check_positive(lr=lr)
    check_not_negative(weight_decay=weight_decay)
    for param, g in check_gradients(params):
        if weight_decay:
            g = g + weight_decay * param
        param[:] = param - lr * g


def init_adam_states(params: Params) -> list[Moments]:
    """m and v for every parameter: zeros of its shape."""
    return [(nd.zeros_like(param), nd.zeros_like(param)) for param in params]


def adam(
    params: Params,
    states: Sequence[Moments],
    lr: float,
    t: int,
    *,
    beta1: float = BETA1,
    beta2: float = BETA2,
    eps: float = EPS,
) -> None:
    """One step of Adam, in place. states: from init_adam_states, changed in place. t: 1 in the first step.

    Kingma & Ba 2015, algorithm 1, where eps is added to the corrected root. mx.optimizer.Adam adds it to the
    uncorrected one, so the two differ while t is small.

    Raises:
        ValueError: a parameter has no gradient, there are not as many states, lr is not positive, or t is
        below 1.
    """
    check_positive(lr=lr)
    check_size(t=t)
    if len(states) != len(params):
        raise ValueError(f"{len(states)} states for {len(params)} parameters: use init_adam_states(params)")
    for (param, g), (m, v) in zip(check_gradients(params), states):
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)  # m and v start at zero and v is slower to leave it:
        v_hat = v / (1 - beta2**t)  # uncorrected, the first steps would be several times too long
        param[:] = param - lr * m_hat / (nd.sqrt(v_hat) + eps)


def adamw(
    params: Params,
    states: Sequence[Moments],
    lr: float,
    t: int,
    *,
    weight_decay: float = 0.01,
    beta1: float = BETA1,
    beta2: float = BETA2,
    eps: float = EPS,
) -> None:
    """One step of adam, less lr * weight_decay * param, where param is what it was before the step.

    Every parameter that is given decays, biases too. Loshchilov & Hutter 2019, algorithm 2, except that the
    decay is scaled by lr as well, as in torch.optim.AdamW.

    Raises:
        ValueError: as adam, or weight_decay is below 0.
    """
    check_positive(lr=lr)
    check_not_negative(weight_decay=weight_decay)
    decay = [lr * weight_decay * param for param in params] if weight_decay else []
    adam(params, states, lr, t, beta1=beta1, beta2=beta2, eps=eps)  # m and v never see the decay
    for param, shrinkage in zip(params, decay):
        param -= shrinkage


def learning_rate(
    t: int, lr: float, *, schedule: str = "constant", warmup: int = 0, num_updates: int = 0
) -> float:
    """The learning rate at step t, counted from 1, of num_updates steps of the optimizer.

    In the first warmup steps it rises from lr / warmup to lr. After them "constant" keeps lr, and "cosine"
    lowers it along half a cosine that would reach 0 one step after the last (Loshchilov & Hutter 2017, one
    cycle). PyTorch: LinearLR(start_factor=1/warmup, total_iters=warmup - 1), then CosineAnnealingLR.

    Raises:
        ValueError: there is no such schedule, t or lr is not positive, warmup is below 0, or a cosine has
            no num_updates, or t is past it.
    """
    check_positive(lr=lr)
    check_size(t=t)
    if warmup != 0:
        check_size(warmup=warmup)
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule is {schedule!r}: give one of {', '.join(SCHEDULES)}")
    if schedule == "cosine":
        check_size(num_updates=num_updates)
        if t > num_updates:
            raise ValueError(f"t is {t}: the schedule ends with step {num_updates}")
    if t <= warmup:
        return lr * (t / warmup)
    if schedule == "constant":
        return lr
    progress = (t - 1 - warmup) / (num_updates - warmup)
    return lr * (1 + math.cos(math.pi * progress)) / 2


class Optimizer:
    """sgd or adam by name, with what it keeps between steps: the step count t, and Adam's states.

    A schedule sets .lr before each step. With a weight_decay, adam is adamw.
    """

    def __init__(self, name: str, params: Params, lr: float, *, weight_decay: float = 0.0) -> None:
        if name not in ("sgd", "adam"):
            raise ValueError(f"optimizer is {name!r}: give 'sgd' or 'adam'")
        check_positive(lr=lr)
        check_not_negative(weight_decay=weight_decay)
        self.name, self.lr, self.weight_decay, self.t = name, lr, weight_decay, 0
        self.states = init_adam_states(params) if name == "adam" else []

    def step(self, params: Params) -> None:
        """Move the parameters by their gradients, in place."""
        if self.name == "adam":
            adamw(params, self.states, self.lr, self.t + 1, weight_decay=self.weight_decay)
        else:
            sgd(params, self.lr, weight_decay=self.weight_decay)
        self.t += 1
