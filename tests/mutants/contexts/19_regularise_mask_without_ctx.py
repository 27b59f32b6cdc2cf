"""The mask of all steps is drawn on the default device."""

from d2lrnn.grading.mistakes import *

locked_dropout = changed("regularise", {"X.shape[1:]), ctx=X.context)": "X.shape[1:]))"}).locked_dropout
