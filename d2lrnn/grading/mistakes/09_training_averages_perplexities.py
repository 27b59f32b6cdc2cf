"""the mean of the batches' perplexities came back: the perplexity of an epoch is exp of the mean nats per
character"""

from d2lrnn.grading.mistakes import *

train_epoch = changed(
    "training",
    {
        "nats += batch_nats * batch_chars": "nats += perplexity(batch_nats)",
        "num_chars += batch_chars": "num_chars += 1",
        "return perplexity(nats / num_chars)": "return nats / num_chars",
    },
).train_epoch
