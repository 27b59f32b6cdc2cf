"""one epoch too early: a list counts from 0, and epochs from 1"""

from d2lrnn.grading.mistakes import *

best_epoch = changed("heldout", {"perplexities[epoch - 1])": "perplexities[epoch - 1]) - 1"}).best_epoch
