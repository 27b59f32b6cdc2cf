"""of several epochs that are equally good the first counts"""

from d2lrnn.grading.mistakes import *

best_epoch = changed("heldout", {"return min(epochs": "return min(epochs[::-1]"}).best_epoch
