"""the square root is missing: the norm is the root of the sum of squares"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed("clipping", {"return norm": "return norm**2"}).grad_clipping
