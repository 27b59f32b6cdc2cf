"""the hidden layer uses the sigmoid: its activation function is tanh here"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "nd.sigmoid("}).rnn
