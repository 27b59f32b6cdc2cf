"""every batch counts alike, and a small one too much: divide all nats by the number of characters"""

from d2lrnn.grading.mistakes import *

train_epoch = changed(
    "training", {"batch_nats * batch_chars": "batch_nats", "num_chars += batch_chars": "num_chars += 1"}
).train_epoch
