"""Lesson 7. A step downhill: stochastic gradient descent and Adam, as in the papers."""

from __future__ import annotations

from collections.abc import Sequence

from mxnet import nd

from .checks import check_gradients, check_positive, check_size
from .rnn import Params

BETA1 = 0.9  # these three are Adam's, as in the paper
BETA2 = 0.999
EPS = 1e-8
Moments = tuple[nd.NDArray, nd.NDArray]  # m, v: the running means of the gradient and of its square


def sgd(params: Params, lr: float) -> None:
    """param <- param - lr * gradient, in place.

    Raises:
        ValueError: a parameter has no gradient, or lr is not positive.
    """
    check_positive(lr=lr)
    for param, g in check_gradients(params):
        param[:] = param - lr * g


def init_adam_states(params: Params) -> list[Moments]:
    """For every parameter m and v, zeros of its shape."""
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


class Optimizer:
    """sgd or adam by name, with what it remembers between the steps: the step count t, and Adam's states."""

    def __init__(self, name: str, params: Params, lr: float) -> None:
        if name not in ("sgd", "adam"):
            raise ValueError(f"optimizer is {name!r}: give 'sgd' or 'adam'")
        check_positive(lr=lr)
        self.name, self.lr, self.t = name, lr, 0
        self.states = init_adam_states(params) if name == "adam" else []

    def step(self, params: Params) -> None:
        """Move the parameters by their gradients, in place."""
        if self.name == "adam":
            adam(params, self.states, self.lr, self.t + 1)
        else:
            sgd(params, self.lr)
        self.t += 1
