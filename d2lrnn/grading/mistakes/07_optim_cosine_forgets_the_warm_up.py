"""the cosine has been falling since step 1: it is to begin at lr when the warm-up is over"""

from d2lrnn.grading.mistakes import *

learning_rate = changed(
    "optim", {"(t - 1 - warmup) / (num_updates - warmup)": "(t - 1) / num_updates"}
).learning_rate
