"""count from 0: index 0 puts its 1 into the first column"""

from d2lrnn.grading.mistakes import *

one_hot = changed(
    "onehot",
    {
        "one_hot(check": "one_hot((1 + check",
        "try_gpu()), vocab_size)": "try_gpu())) % vocab_size, vocab_size)",
    },
).one_hot
