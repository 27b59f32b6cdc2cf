"""only the loss of the last step is meant: its mean is over the rows, not over all steps"""

from d2lrnn.grading.mistakes import *

grad_norms_by_lag = changed("bptt", {" / len(label)": " / label.size"}).grad_norms_by_lag
