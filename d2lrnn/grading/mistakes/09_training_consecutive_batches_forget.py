"""consecutive batches go on where the one before ended, and their state was forgotten: only the first
starts from zeros"""

from d2lrnn.grading.mistakes import *

wrong = changed("training", {"if is_random_iter or state is None:": "if True:"})
train_batches, train_epoch, train_and_predict_rnn = (
    wrong.train_batches,
    wrong.train_epoch,
    wrong.train_and_predict_rnn,
)
