"""the optimizer is made anew in every epoch, and forgets what Adam remembers: one serves all"""

from d2lrnn.grading.mistakes import *

train_and_predict_rnn = changed(
    "training", {"start = time": "updater = Optimizer(optimizer, params, lr)\n        start = time"}
).train_and_predict_rnn
