"""the last full batch is missing: does your loop end one batch early?"""

from d2lrnn.grading.mistakes import *

data_iter_random = changed(
    "sampling", {"num_windows - batch_size + 1, batch_size)": "num_windows - batch_size, batch_size)"}
).data_iter_random
