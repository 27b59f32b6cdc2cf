"""the epoch of the highest perplexity: the lowest is the best"""

from d2lrnn.grading.mistakes import *

best_epoch = changed("heldout", {"return min(epochs": "return max(epochs"}).best_epoch
