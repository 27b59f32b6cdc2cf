"""the hidden layer does not bend at all: an activation is missing"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "("}).rnn
