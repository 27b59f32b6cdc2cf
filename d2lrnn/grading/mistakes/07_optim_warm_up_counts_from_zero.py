"""t is 1 in the first step: you count from 0, so the first step is lost and the warm-up ends one too late"""

from d2lrnn.grading.mistakes import *

learning_rate = changed("optim", {"t / warmup)": "(t - 1) / warmup)"}).learning_rate
