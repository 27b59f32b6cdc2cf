"""the hidden layer uses ReLU: a recurrent network bends with tanh"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.tanh(": "nd.relu("}).rnn
