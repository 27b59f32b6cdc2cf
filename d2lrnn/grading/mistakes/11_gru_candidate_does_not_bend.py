"""the candidate is linear: tanh is missing"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"nd.tanh(": "("}).gru
