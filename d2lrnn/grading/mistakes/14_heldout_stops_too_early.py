"""one epoch too early"""

from d2lrnn.grading.mistakes import *

should_stop = changed("heldout", {">= patience": ">= patience - 1"}).should_stop
