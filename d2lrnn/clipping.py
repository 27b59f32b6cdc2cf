"""Lesson 6. Gradients through many time steps can explode: shorten them, keep their direction."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mxnet import nd

from .checks import check_gradients, check_positive


def grad_clipping(params: Sequence[nd.NDArray], theta: float) -> float:
    """Scale every ``param.grad`` in place by min(1, theta / ||g||) and return ||g|| before scaling.

    ||g|| is the L2 norm of all gradients laid end to end, not one norm per parameter (Pascanu et al. 2013).

    Raises:
        ValueError: theta is not positive, there are no parameters, or one has no gradient.
        FloatingPointError: ||g|| is NaN or beyond float32; no gradient has been changed.
    """
    check_positive(theta=theta)
    gradients = [g for _, g in check_gradients(params)]
    norms = nd.concat(*[nd.norm(g).reshape(1).astype("float64") for g in gradients], dim=0)
    norm = math.hypot(*norms.asnumpy().tolist())  # hypot, because squares of large numbers overflow
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradients is {norm}: try a smaller learning rate")
    if norm > theta:
        for g in gradients:
            g *= theta / norm
    return norm
