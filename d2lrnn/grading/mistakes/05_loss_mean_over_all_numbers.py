"""the sum is divided by the number of all probabilities: divide by the number of characters"""

from d2lrnn.grading.mistakes import *

cross_entropy = changed("loss", {".mean()": ".mean() / logits.shape[1]"}).cross_entropy
