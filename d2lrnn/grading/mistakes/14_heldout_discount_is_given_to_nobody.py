"""the discount is taken off the counts and given to no character: the probabilities do not sum to 1"""

from d2lrnn.grading.mistakes import *

CountModel = changed("heldout", {" + saved * p)": ")"}).CountModel
