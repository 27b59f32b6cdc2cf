"""the backward pass multiplies by W_hh transposed; W_hh is square, so no shape complains"""

from d2lrnn.grading.mistakes import *

wrong = changed("bptt", {"W_hh.T": "W_hh"})
bptt, grad_norms_by_lag = wrong.bptt, wrong.grad_norms_by_lag
