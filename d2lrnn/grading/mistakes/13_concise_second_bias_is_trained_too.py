"""the second bias is trained too: it is added in the same place as the first, so that under SGD their sum
learns at twice the rate"""

from d2lrnn.grading.mistakes import *

get_rnn_model = changed("concise", {'.setattr("grad_req", "null")': ""}).get_rnn_model
