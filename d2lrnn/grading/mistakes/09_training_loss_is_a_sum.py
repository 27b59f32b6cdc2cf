"""the loss is a sum: it has to be the mean over all characters, in nats per character"""

from d2lrnn.grading.mistakes import *

train_batches = changed(
    "training", {"label.T.reshape(-1))\n    loss": "label.T.reshape(-1)) * label.size\n    loss"}
).train_batches
