"""the states are bent by relu, Gluon's own choice: ask its layer for tanh"""

from d2lrnn.grading.mistakes import *

get_rnn_model = changed("concise", {'activation="tanh", ': ""}).get_rnn_model
