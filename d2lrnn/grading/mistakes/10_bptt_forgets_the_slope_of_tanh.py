"""the slope of tanh is missing on the way from H back to A"""

from d2lrnn.grading.mistakes import *

wrong = changed("bptt", {" * (1 - H**2)": ""})
bptt, grad_norms_by_lag = wrong.bptt, wrong.grad_norms_by_lag
