"""the text is read in one piece: cut it into batch_size rows, as evaluate does, or the counts have other
targets than the network"""

from d2lrnn.grading.mistakes import *

evaluate_counts = changed(
    "heldout", {"min(batch_size, len(corpus) // 2)": "min(1, len(corpus) // 2)"}
).evaluate_counts
