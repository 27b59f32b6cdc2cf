"""between two batches one target is left out: a batch begins by reading the last target of the one before"""

from d2lrnn.grading.mistakes import *

data_iter_variable = changed(
    "regularise", {"zip(ends, lengths)": "zip(ends + np.arange(len(lengths)), lengths)"}
).data_iter_variable
