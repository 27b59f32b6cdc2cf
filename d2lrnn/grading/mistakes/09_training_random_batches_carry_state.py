"""random batches have nothing to do with each other: the state of one must not go on into another"""

from d2lrnn.grading.mistakes import *

wrong = changed("training", {"if is_random_iter or state is None:": "if state is None:"})
train_batches, train_epoch = wrong.train_batches, wrong.train_epoch
