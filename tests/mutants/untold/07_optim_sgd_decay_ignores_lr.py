"""SGD takes the decay from the parameter whole, whatever lr is."""

from d2lrnn.grading.mistakes import *

sgd = changed("optim", {"weight_decay * param\n": "weight_decay / lr * param\n"}).sgd
