"""the learning rate is set after the batch has been handed out: it is that of the step to come"""

from d2lrnn.grading.mistakes import *

scheduled_batches = changed(
    "regularise",
    {
        "label in batches:\n": "label in batches:\n        yield data, label\n",
        "num_steps\n        yield data, label": "num_steps",
    },
).scheduled_batches
