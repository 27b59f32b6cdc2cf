"""the hidden layer uses the sigmoid: a recurrent network bends with tanh"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "nd.sigmoid("}).rnn
