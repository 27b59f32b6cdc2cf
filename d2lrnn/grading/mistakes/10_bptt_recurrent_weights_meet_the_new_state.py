"""the gradient of W_hh is made with the state that W_hh has produced, not with the one that it read"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {"nd.dot(H_before.T, dA)": "nd.dot(H.T, dA)"}).bptt
