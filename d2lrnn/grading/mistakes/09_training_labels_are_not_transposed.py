"""labels and logits are in two orders: the outputs come step by step, so the labels must, too"""

from d2lrnn.grading.mistakes import *

wrong = changed("training", {"label.T.reshape": "label.reshape"})
train_batches, train_epoch, evaluate = wrong.train_batches, wrong.train_epoch, wrong.evaluate
