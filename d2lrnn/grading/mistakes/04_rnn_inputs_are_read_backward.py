"""the inputs are read from the last to the first"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"for X in inputs:": "for X in inputs[::-1]:"}).rnn
