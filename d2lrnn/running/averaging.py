"""The running mean of the weights, with which a run measures, and which it keeps and writes with."""

from __future__ import annotations

from ..rnn import Params


def take_into_mean(params: Params, means: Params, decay: float, t: int) -> None:
    """means <- d means + (1 - d) params, in place, where d is decay, and less in the first steps.

    t: how many steps have been taken. The mean of the weights over the steps is better than the latest
    weights, since it averages out their noise (Polyak & Juditsky 1992). In the first steps d is (1 + t) / (10
    + t), so that the initial weights are soon forgotten.
    """
    d = min(decay, (1 + t) / (10 + t))
    for param, mean in zip(params, means):
        mean[:] = d * mean + (1 - d) * param
