"""your loss is in bits: perplexity is exp of nats, so take the natural logarithm"""

from d2lrnn.grading.mistakes import *

cross_entropy = changed("loss", {").mean()": ").mean() / math.log(2)"}).cross_entropy
