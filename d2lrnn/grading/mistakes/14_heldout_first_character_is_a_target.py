"""the first character of a row is not a target: the network has read nothing before it"""

from d2lrnn.grading.mistakes import *

evaluate_counts = changed(
    "heldout", {"range(start + 1, ": "range(start, ", "(row_len - 1)": "row_len"}
).evaluate_counts
