"""what is kept is not scaled up: in training the next layer gets less than when the network is used"""

from d2lrnn.grading.mistakes import *

dropout = changed("heldout", {" / (1 - p)": ""}).dropout
