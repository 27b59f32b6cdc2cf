"""a batch begins with the last target of the one before twice over: it begins with that character, which
is read only once"""

from d2lrnn.grading.mistakes import *

data_iter_variable = changed(
    "regularise", {"rows[:, end - length : end + 1]": "rows[:, max(end - length - 1, 0) : end + 1]"}
).data_iter_variable
