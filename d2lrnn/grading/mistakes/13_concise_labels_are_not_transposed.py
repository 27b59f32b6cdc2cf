"""labels and logits are in two orders: the outputs come step by step, so the labels must, too"""

from d2lrnn.grading.mistakes import *

train_epoch_gluon = changed("concise", {"label.T.reshape": "label.reshape"}).train_epoch_gluon
