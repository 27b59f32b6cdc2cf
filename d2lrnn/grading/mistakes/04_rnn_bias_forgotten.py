"""the bias of the hidden layer is forgotten: it starts at zero, so that at first nobody notices"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {" + b_h)": ")"}).rnn
