"""all rows of the batch have the same mask: each has its own, and keeps it in all steps"""

from d2lrnn.grading.mistakes import *

locked_dropout = changed("regularise", {"(1, *X.shape[1:])": "(1, 1, X.shape[2])"}).locked_dropout
