"""Defines the names that a careless driver would use as its own: drive, s, inputs, np, nd, result, and
dunders.
"""

from honest import Optimizer, grad_clipping, one_hot, sgd

drive = s = inputs = np_ = mx = result = value = answer = support = lent = Call = Reply = encode = decode = (
    None
)
print = type = tuple = getattr = str = dict = names = submission = wire = os = sys = None
__name__ = "__main__"
__file__ = 5
__loader__ = __spec__ = None


def __getattr__(name):
    raise SystemExit


def __dir__():
    raise SystemExit
