"""the norm after clipping is returned: it would never tell that gradients explode. Return the one before"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed("clipping", {"return norm": "return min(norm, theta)"}).grad_clipping
