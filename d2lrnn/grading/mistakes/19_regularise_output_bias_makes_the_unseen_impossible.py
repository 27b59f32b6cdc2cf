"""characters that do not occur in the text become impossible: every count gets one more, as in lesson 14"""

from d2lrnn.grading.mistakes import *

get_tied_params = changed(
    "regularise", {"minlength=vocab_size) + 1": "minlength=vocab_size) + 1e-30"}
).get_tied_params
