"""the last batch has fewer columns than the others: what does not fill num_steps is left out"""

from d2lrnn.grading.mistakes import *

data_iter_consecutive = changed(
    "sampling", {"range(0, row_len - num_steps, num_steps)": "range(0, row_len - 1, num_steps)"}
).data_iter_consecutive
