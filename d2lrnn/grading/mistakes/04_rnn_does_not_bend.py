"""the hidden layer is linear: its activation function is missing"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "("}).rnn
