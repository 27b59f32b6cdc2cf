"""the softmax is taken twice: log_softmax takes it already, of logits and not of probabilities"""

from d2lrnn.grading.mistakes import *

cross_entropy = changed(
    "loss", {"nd.log_softmax(logits)": "nd.log_softmax(nd.softmax(logits))"}
).cross_entropy
