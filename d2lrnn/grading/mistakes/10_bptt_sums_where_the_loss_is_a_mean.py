"""the loss is a mean over all characters, and your gradients are those of a sum"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {" / label.size": ""}).bptt
