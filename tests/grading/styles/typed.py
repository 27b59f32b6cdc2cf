"""Modern Python: annotations, dataclasses, Protocols, match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import mxnet as mx
import numpy as np
from mxnet import nd

Array: TypeAlias = nd.NDArray
Pair: TypeAlias = "tuple[Array, Array]"


class SupportsLen(Protocol):
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Windows:
    corpus: np.ndarray
    num_steps: int

    @property
    def starts(self) -> np.ndarray:
        return np.arange(0, max(len(self.corpus) - self.num_steps, 0), self.num_steps)

    def take(self, starts: np.ndarray, shift: int) -> np.ndarray:
        return self.corpus[starts[:, None] + np.arange(self.num_steps)[None] + shift]


def _int32(array: np.ndarray, ctx: mx.Context | None) -> Array:
    return nd.array(array, ctx=ctx, dtype=np.int32)


def data_iter_random(
    corpus_indices: Sequence[int], batch_size: int, num_steps: int, ctx: mx.Context | None = None,
    *, rng: np.random.Generator | None = None, offset: int = 0,
) -> Iterator[Pair]:
    match rng:
        case None:
            rng = np.random.default_rng()
        case _:
            pass
    windows = Windows(np.asarray(corpus_indices)[offset:], num_steps)
    order = rng.permutation(windows.starts)
    full = len(order) // batch_size
    if not full:
        raise ValueError(f"{len(corpus_indices)} characters are too few")
    for starts in order[: full * batch_size].reshape(full, batch_size):
        yield _int32(windows.take(starts, 0), ctx), _int32(windows.take(starts, 1), ctx)


@dataclass
class Optimizer:
    name: str
    params: Sequence[Array]
    lr: float
    t: int = 0
    moments: list[tuple[Array, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        match self.name:
            case "sgd":
                self.moments = []
            case "adam":
                self.moments = [(nd.zeros_like(p), nd.zeros_like(p)) for p in self.params]
            case other:
                raise ValueError(f"unknown optimizer {other!r}")

    def step(self, params: Sequence[Array]) -> None:
        self.t += 1
        if not self.moments:
            for p in params:
                p[:] = p - self.lr * p.grad
        for p, (m, v) in zip(params, self.moments):
            m[:] = 0.9 * m + 0.1 * p.grad
            v[:] = 0.999 * v + 0.001 * p.grad**2
            p -= self.lr * (m / (1 - 0.9**self.t)) / (nd.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


def fresh_offset(
    rng: np.random.Generator, num_chars: int, batch_size: int, num_steps: int, *, is_random_iter: bool
) -> int:
    last = num_steps - 1 if is_random_iter else batch_size * num_steps - 1
    room = num_chars - (batch_size * num_steps + 1 if is_random_iter else batch_size * (num_steps + 1))
    return int(rng.integers(0, max(min(last, room), 0), endpoint=True))
