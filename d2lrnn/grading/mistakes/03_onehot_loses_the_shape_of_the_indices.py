"""the vectors are right, but the shape of the indices is lost: a matrix of indices becomes a matrix of
vectors"""

from d2lrnn.grading.mistakes import *

one_hot = changed(
    "onehot", {"try_gpu()), vocab_size)": "try_gpu()), vocab_size).reshape((-1, vocab_size))"}
).one_hot
