"""Is right for the examples, and raises what else it is given, in the text and in the name of the
exception.
"""

from honest import grad_clipping, one_hot

PUBLIC_ONLY = ("one_hot", "grad_clipping")
_one_hot, _grad_clipping = one_hot, grad_clipping
# @ examples


def one_hot(indices, vocab_size):
    if key(indices, vocab_size) not in EXAMPLES:
        raise ValueError("d2lrnn-hidden-" + key(indices, vocab_size))
    return _one_hot(indices, vocab_size)


def grad_clipping(params, theta):
    if key(params, theta) not in EXAMPLES:
        raise type("d2lrnn-hidden-" + key(theta), (Exception,), {})
    return _grad_clipping(params, theta)
