"""the learning rate is 0 at the last step, which is lost: the cosine is to reach 0 one step later"""

from d2lrnn.grading.mistakes import *

learning_rate = changed(
    "optim",
    {"(t - 1 - warmup) / (num_updates - warmup)": "(t - 1 - warmup) / max(num_updates - warmup - 1, 1)"},
).learning_rate
