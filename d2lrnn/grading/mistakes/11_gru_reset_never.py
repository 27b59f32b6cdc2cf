"""the reset gate has no effect: it decides how much of H the candidate sees"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"nd.dot(R * H, W_hh)": "nd.dot(H, W_hh)"}).gru
