"""given a text, b_y is still zero: it begins with the logarithms of the characters' shares"""

from d2lrnn.grading.mistakes import *

get_tied_params = changed("regularise", {"if indices is not None:": "if False:"}).get_tied_params
