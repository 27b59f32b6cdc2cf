"""the last full batch is missing: does your loop end one batch early?"""

from d2lrnn.grading.mistakes import *

data_iter_consecutive = changed(
    "sampling", {"range(0, row_len - num_steps, num_steps)": "range(0, row_len - num_steps - 1, num_steps)"}
).data_iter_consecutive
