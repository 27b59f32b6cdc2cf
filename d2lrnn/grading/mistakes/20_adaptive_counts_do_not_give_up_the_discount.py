"""no count gives up its discount: the probabilities sum to more than 1"""

from d2lrnn.grading.mistakes import *

OnlineKneserNey = changed("adaptive", {"(c - D) / c.sum()": "c / c.sum()"}).OnlineKneserNey
