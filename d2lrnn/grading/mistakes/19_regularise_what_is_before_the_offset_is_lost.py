"""the characters before offset are left out: they come after the end of the text"""

from d2lrnn.grading.mistakes import *

data_iter_variable = changed(
    "regularise", {"np.roll(to_integers(": "to_integers(", '"), -offset)': '")[offset:]'}
).data_iter_variable
