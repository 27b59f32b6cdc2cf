"""what is kept is not made larger: in training the next layer gets less than it will get in use"""

from d2lrnn.grading.mistakes import *

dropout = changed("heldout", {" / (1 - p)": ""}).dropout
