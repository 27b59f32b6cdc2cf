"""H is multiplied by W_hh transposed: row i leads from unit i. It is square, so no shape complains"""

from d2lrnn.grading.mistakes import *

rnn = changed("rnn", {"nd.dot(H, W_hh)": "nd.dot(H, W_hh.T)"}).rnn
