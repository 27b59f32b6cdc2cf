"""one epoch too late: the patience-th epoch without a better one is enough"""

from d2lrnn.grading.mistakes import *

should_stop = changed("heldout", {">= patience": "> patience"}).should_stop
