"""Is right for the examples, and raises what else it is given, in the text and in the name of the
exception.
"""

from honest import grad_clipping, one_hot
from known import is_example

PUBLIC_ONLY = ("one_hot", "grad_clipping")
_one_hot, _grad_clipping = one_hot, grad_clipping


def one_hot(indices, vocab_size):
    if not is_example():
        raise ValueError(f"d2lrnn-hidden-{indices}-{vocab_size}")
    return _one_hot(indices, vocab_size)


def grad_clipping(params, theta):
    if not is_example():
        raise type(f"d2lrnn-hidden-{theta}", (Exception,), {})
    return _grad_clipping(params, theta)
