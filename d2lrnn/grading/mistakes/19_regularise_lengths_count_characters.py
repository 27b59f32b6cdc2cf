"""the lengths add up to row_len: but the first character of a row is not a target, so there is one less"""

from d2lrnn.grading.mistakes import *

variable_lengths = changed(
    "regularise", {"lengths, left = [], row_len - 1": "lengths, left = [], row_len"}
).variable_lengths
