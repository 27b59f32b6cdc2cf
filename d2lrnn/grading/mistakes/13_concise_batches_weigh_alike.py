"""every batch counts alike, and a small one too much: divide all nats by the number of characters"""

from d2lrnn.grading.mistakes import *

train_epoch_gluon = changed(
    "concise",
    {"loss.asscalar() * label.size": "loss.asscalar()", "num_chars += label.size": "num_chars += 1"},
).train_epoch_gluon
