"""the loss is a sum: give the mean over all characters"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {"return loss, gradients": "return loss * label.size, gradients"}).bptt
