"""labels and logits are in two orders: the outputs come step by step, so the labels must, too"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {"label.T.reshape": "label.reshape"}).bptt
