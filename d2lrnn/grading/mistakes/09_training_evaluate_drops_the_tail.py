"""the last characters of every row are not measured: a short last piece counts too"""

from d2lrnn.grading.mistakes import *

evaluate = changed(
    "training", {"rows.shape[1] - 1, num_steps)": "max(rows.shape[1] - num_steps, 1), num_steps)"}
).evaluate
