"""b_y is forgotten: while it is zero, as in new parameters, nobody notices"""

from d2lrnn.grading.mistakes import *

get_network = changed(
    "fast", {"nd.FullyConnected(below, W_hy.T, b_y, num_hidden=b_y.size)": "nd.dot(below, W_hy)"}
).get_network
