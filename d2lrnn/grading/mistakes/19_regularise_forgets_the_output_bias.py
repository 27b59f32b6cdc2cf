"""Y lacks b_y"""

from d2lrnn.grading.mistakes import *

tied_lstm = changed("regularise", {"else W_hy) + b_y": "else W_hy)"}).tied_lstm
