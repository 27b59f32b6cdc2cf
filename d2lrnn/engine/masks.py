"""What is zeroed in training: masks for a batch, the same in the forward and the backward pass.

A mask holds 0 where something is dropped, and 1 / (1 - p) elsewhere, so that the mean stays (lesson 14).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mxnet import nd

from ..heldout import dropout
from .layers import Arrays, Layer


class Regularisers(NamedTuple):
    """The shares that are set to 0, by place (lesson 19), and what targets give away; 0 and None: nothing.

    outputs: what each layer passes upward; locked: the same numbers at all steps of a window. inputs: what
    tied embeddings pass to the first layer, always locked. chars: whole characters of what is read. weights:
    those from H to the next H, the same at all steps. unseen: (vocab_size,), what every target gives away to
    each character (label smoothing).
    """

    outputs: float = 0.0
    locked: bool = False
    inputs: float = 0.0
    chars: float = 0.0
    weights: float = 0.0
    unseen: nd.NDArray | None = None

    @property
    def draws(self) -> bool:
        """Whether any of it is random."""
        return any((self.outputs, self.inputs, self.chars, self.weights))


class Masks(NamedTuple):
    """The masks of a batch; None where nothing is dropped.

    chars: (vocab_size, 1). inputs: (batch_size, hidden_dim). weights: for each layer one for each W_h.
    outputs: for each layer (batch_size, hidden_dim). draw: makes the mask of outputs that are not locked,
    new for each part of a batch, from their matrix.
    """

    chars: nd.NDArray | None = None
    inputs: nd.NDArray | None = None
    weights: Sequence[Arrays] | None = None
    outputs: Arrays | None = None
    draw: Callable[[nd.NDArray], nd.NDArray] | None = None

    def of_rows(self, first: int, last: int) -> Masks:
        """For some rows of the batch."""
        inputs = None if self.inputs is None else self.inputs[first:last]
        outputs = None if self.outputs is None else [mask[first:last] for mask in self.outputs]
        return self._replace(inputs=inputs, outputs=outputs)

    def of_outputs(self, k: int, H: nd.NDArray, num_steps: int) -> nd.NDArray | None:
        """What layer k multiplies its (num_steps * batch_size, hidden_dim) outputs H by."""
        if self.draw:
            return self.draw(H)
        return None if self.outputs is None else repeat(self.outputs[k], num_steps)


def repeat(mask: nd.NDArray, num_steps: int) -> nd.NDArray:
    """(batch_size, hidden_dim) once for each step: (num_steps * batch_size, hidden_dim)."""
    return nd.tile(mask, (num_steps, 1))


def draw_masks(how: Regularisers, layers: Sequence[Layer], vocab_size: int, batch_size: int) -> Masks:
    """Masks for a batch, from MXNet's generator; in training only (under autograd.train_mode)."""
    ctx, row = layers[0].b[0].context, (batch_size, layers[0].b[0].size)

    def new(shape: tuple[int, ...], p: float) -> nd.NDArray:
        return dropout(nd.ones(shape, ctx=ctx), p)

    locked = how.locked and how.outputs
    return Masks(
        chars=new((vocab_size, 1), how.chars) if how.chars else None,
        inputs=new(row, how.inputs) if how.inputs else None,
        weights=[[new(W.shape, how.weights) for W in layer.W_h] for layer in layers] if how.weights else None,
        outputs=[new(row, how.outputs) for _ in layers] if locked else None,
        draw=(lambda H: dropout(nd.ones_like(H), how.outputs)) if how.outputs and not locked else None,
    )
