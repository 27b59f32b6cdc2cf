"""these are squares: the norm is the root of the sum of squares"""

from d2lrnn.grading.mistakes import *

grad_norms_by_lag = changed("bptt", {"float(norm) for": "float(norm) ** 2 for"}).grad_norms_by_lag
