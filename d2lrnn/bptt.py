"""Lesson 10. The gradients of the network by hand: the chain rule, walked backward through time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mxnet import nd

from .checks import check_indices
from .loss import cross_entropy
from .rnn import RNNParams, rnn


def bptt(
    inputs: Sequence[nd.NDArray], label: nd.NDArray, state: tuple[nd.NDArray], params: RNNParams
) -> tuple[nd.NDArray, RNNParams]:
    """The loss of rnn() and its gradient for every parameter, without autograd. (loss, gradients)

    The loss is the cross-entropy, a mean over all steps and rows. dH in the code is dL/dH and has the shape
    of H; A is what tanh is applied to. The state is a constant: nothing goes back beyond it.

    inputs: num_steps matrices (batch_size, vocab_size). label: (batch_size, num_steps).

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a label is not a whole number in 0 … vocab_size - 1.
    """
    outputs, states = outputs_and_states(inputs, state, params)
    label = _check_label(label, outputs)
    loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))

    gradients = RNNParams(*[nd.zeros_like(param) for param in params])
    dW_xh, dW_hh, db_h, dW_hy, db_y = gradients
    dH_from_next = nd.zeros_like(states[-1])  # no step follows the last one
    for t in range(len(inputs), 0, -1):
        X, Y, H, H_before = inputs[t - 1], outputs[t - 1], states[t], states[t - 1]
        dY = output_gradient(Y, label[:, t - 1]) / label.size
        dH = nd.dot(dY, params.W_hy.T) + dH_from_next
        dA = dH * (1 - H**2)
        dW_hy += nd.dot(H.T, dY)
        db_y += dY.sum(axis=0)
        dW_xh += nd.dot(X.T, dA)
        dW_hh += nd.dot(H_before.T, dA)
        db_h += dA.sum(axis=0)
        dH_from_next = nd.dot(dA, params.W_hh.T)
    return loss, gradients


def grad_norms_by_lag(
    inputs: Sequence[nd.NDArray], label: nd.NDArray, state: tuple[nd.NDArray], params: RNNParams
) -> list[float]:
    """||dL/dH|| of the last step's loss L alone, for the state H `lag` steps before it: result[lag].

    L is a mean over the rows, the norm is the L2 norm of the whole matrix (batch_size, hidden_dim). Lags run
    from 0 to num_steps - 1. The arguments are those of bptt(), and so are its errors.
    """
    outputs, states = outputs_and_states(inputs, state, params)
    label = _check_label(label, outputs)
    dY = output_gradient(outputs[-1], label[:, -1]) / len(label)
    dH = nd.dot(dY, params.W_hy.T)
    norms = [nd.norm(dH)]
    for H in states[:1:-1]:  # H_T, …, H_2: each step back leads from H_t to H_{t-1}
        dH = nd.dot(dH * (1 - H**2), params.W_hh.T)
        norms.append(nd.norm(dH))
    return [float(norm) for norm in nd.concat(*norms, dim=0).asnumpy()]


def outputs_and_states(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray], params: RNNParams
) -> tuple[list[nd.NDArray], list[nd.NDArray]]:
    """The outputs Y_1 … Y_T and the states H_0 … H_T: the way back needs all of them."""
    (H,) = state
    outputs, states = [], [H]
    for X in inputs:
        (Y,), (H,) = rnn([X], (H,), params)
        outputs.append(Y)
        states.append(H)
    return outputs, states


def output_gradient(Y: nd.NDArray, label: nd.NDArray) -> nd.NDArray:
    """The gradient of the summed cross-entropy of one step for its logits Y: softmax(Y) - one_hot(label)."""
    return nd.softmax(Y) - nd.one_hot(label, Y.shape[1], dtype=Y.dtype)


def _check_label(label: Any, outputs: Sequence[nd.NDArray]) -> nd.NDArray:
    if not outputs:
        raise ValueError("there are no inputs: give at least one step")
    batch_size, vocab_size = outputs[0].shape
    label = check_indices(label, vocab_size, outputs[0].context, ndim=2)
    if label.shape != (batch_size, len(outputs)):
        raise ValueError(
            f"label is {label.shape}: give (batch_size, num_steps), {(batch_size, len(outputs))}"
        )
    return label
