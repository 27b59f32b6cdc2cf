"""the decay is not scaled by lr: a schedule would shorten the steps and leave the decay as it was"""

from d2lrnn.grading.mistakes import *

adamw = changed("optim", {"[lr * weight_decay * param": "[weight_decay * param"}).adamw
