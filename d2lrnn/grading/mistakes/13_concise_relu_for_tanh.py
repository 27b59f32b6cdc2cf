"""the states use ReLU, Gluon's default: ask its layer for tanh"""

from d2lrnn.grading.mistakes import *

get_rnn_model = changed("concise", {'activation="tanh", ': ""}).get_rnn_model
