"""a row looks back into the row before: each has the history of its own characters only"""

from d2lrnn.grading.mistakes import *

evaluate_counts = changed(
    "heldout", {"corpus[max(start, i - model.order) : i]": "corpus[:i]"}
).evaluate_counts
