"""a row of indices has become one vector with several ones, so that nobody can tell which came first: each
index gets a vector of its own"""

from d2lrnn.grading.mistakes import *

one_hot = changed(
    "onehot",
    {"try_gpu()), vocab_size)": "try_gpu()), vocab_size).reshape((len(indices), -1, vocab_size)).max(1)"},
).one_hot
