"""the last batch has fewer rows than the others: windows that do not fill a whole batch are left out"""

from d2lrnn.grading.mistakes import *

data_iter_random = changed(
    "sampling", {"range(0, num_windows - batch_size + 1, batch_size)": "range(0, num_windows, batch_size)"}
).data_iter_random
