"""p_in falls on the outputs and p_out on the inputs: p_in is for X W_e, p_out for H on its way up"""

from d2lrnn.grading.mistakes import *

tied_lstm = changed(
    "regularise",
    {"p_embedding)), p_in)": "p_embedding)), p_out)", "nd.stack(*H), p_out)": "nd.stack(*H), p_in)"},
).tied_lstm
