"""the slope of tanh is taken at the previous H: step t turns its own A into its own H"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "bptt", {"dA = dH * (1 - H**2)": "dA = dH * (1 - H_before**2)", "states[:1:-1]": "states[-2:0:-1]"}
)
bptt, grad_norms_by_lag = wrong.bptt, wrong.grad_norms_by_lag
