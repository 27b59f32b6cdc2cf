"""the text is turned the wrong way: its first character is to be the one at offset"""

from d2lrnn.grading.mistakes import *

data_iter_variable = changed("regularise", {"-offset)": "offset)"}).data_iter_variable
