"""only W_hi loses weights: each of the four gates has a W_h"""

from d2lrnn.grading.mistakes import *

tied_lstm = changed("regularise", {"in gates[1::3]]": "in gates[1:2]] + gates[4::3]"}).tied_lstm
