"""the hidden layer uses ReLU: its activation function is tanh here"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "nd.relu("}).rnn
