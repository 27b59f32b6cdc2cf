"""an index out of range is silently accepted: it becomes zeros, or another character, and the
network learns nonsense. Raise an IndexError"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "onehot",
    {
        "check_indices(indices, vocab_size, try_gpu())": "nd.array(indices)",
        "check_indices(data, vocab_size, try_gpu(), ndim=2)": "nd.array(data)",
    },
)
one_hot, get_inputs = wrong.one_hot, wrong.get_inputs
