"""every time step starts from the first state: what the last step has read is forgotten"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"for X in inputs:\n": "for X in inputs:\n        (H,) = state\n"}).gru
