"""consecutive batches go on where the one before ended, and their state was forgotten: only the first
starts from zeros"""

from d2lrnn.grading.mistakes import *

wrong = changed("training", {"label.size, state\n": "label.size, state\n        state = None\n"})
train_batches, train_epoch, train_and_predict_rnn = (
    wrong.train_batches,
    wrong.train_epoch,
    wrong.train_and_predict_rnn,
)
