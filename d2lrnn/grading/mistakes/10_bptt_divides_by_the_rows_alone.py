"""the loss is a mean over rows and steps: divide the gradients by both"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {" / label.size": " / len(label)"}).bptt
