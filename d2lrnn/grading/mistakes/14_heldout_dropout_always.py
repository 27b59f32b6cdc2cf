"""outside training numbers are dropped, too, and every measurement is spoilt: under autograd.record only"""

from d2lrnn.grading.mistakes import *

dropout = changed("heldout", {"if p == 0 or not autograd.is_training():": "if p == 0:"}).dropout
