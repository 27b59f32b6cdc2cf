"""numbers are dropped outside training, too, which spoils every measurement: drop them under autograd.record
only"""

from d2lrnn.grading.mistakes import *

dropout = changed("heldout", {"if p == 0 or not autograd.is_training():": "if p == 0:"}).dropout
