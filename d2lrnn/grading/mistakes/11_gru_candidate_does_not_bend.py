"""the candidate does not bend: tanh is missing"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"nd.tanh(": "("}).gru
