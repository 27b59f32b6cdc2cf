"""these are the probabilities of the characters that were read: the targets are the next ones"""

from d2lrnn.grading.mistakes import *

network_probabilities = changed("scale", {"chars[:, 1:].T": "chars[:, :-1].T"}).network_probabilities
