"""the norms are in the order of time: the first is that of lag 0, the last step itself"""

from d2lrnn.grading.mistakes import *

grad_norms_by_lag = changed("bptt", {"nd.concat(*norms,": "nd.concat(*norms[::-1],"}).grad_norms_by_lag
