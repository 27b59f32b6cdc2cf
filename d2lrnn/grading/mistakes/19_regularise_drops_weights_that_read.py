"""p_weights drops numbers of the W_x: it is the recurrent W_hi, W_hf, W_ho and W_hc that it is for"""

from d2lrnn.grading.mistakes import *

tied_lstm = changed("regularise", {"gates[1::3]": "gates[::3]"}).tied_lstm
