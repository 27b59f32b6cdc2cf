"""your label is the data itself: the network would learn to repeat what it reads. The label is what comes
next"""

from d2lrnn.grading.mistakes import *

wrong = changed("sampling", {"nd.array(chars[:, 1:]": "nd.array(chars[:, :-1]"})
data_iter_random, data_iter_consecutive = wrong.data_iter_random, wrong.data_iter_consecutive
