"""your windows overlap: each starts where the one before it ended, at 0, num_steps, 2 num_steps, …"""

from d2lrnn.grading.mistakes import *

data_iter_random = changed(
    "sampling",
    {
        "(len(corpus) - 1) // num_steps  #": "len(corpus) - num_steps  #",
        "starts = num_steps * np.arange": "starts = np.arange",
        "_check_batches(num_windows // batch_size": "_check_batches(num_windows // num_steps // batch_size",
    },
).data_iter_random
