"""the mean is taken of 1 / p: take it of -log p, and exp of that"""

from d2lrnn.grading.mistakes import *

evaluate_counts = changed(
    "heldout", {"nats -= math.log(": "nats += 1 / (", "perplexity(nats / (": "(nats / ("}
).evaluate_counts
