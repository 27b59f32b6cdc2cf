"""what the discounts save is given to no character: the probabilities sum to less than 1"""

from d2lrnn.grading.mistakes import *

KneserNey = changed("scale", {" + level.saved[history] * p": ""}).KneserNey
