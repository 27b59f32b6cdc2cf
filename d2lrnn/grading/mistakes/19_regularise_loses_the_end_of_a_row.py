"""the targets at the end of a row are never trained on: the lengths are to add up to row_len - 1, and the
last is what is left"""

from d2lrnn.grading.mistakes import *

variable_lengths = changed("regularise", {"while left:": "while left > 2 * num_steps:"}).variable_lengths
