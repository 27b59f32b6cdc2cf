"""b_y is not added to the outputs: it starts at zero, so that at first nobody notices"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.dot(H, W_hy) + b_y": "nd.dot(H, W_hy)"}).rnn
