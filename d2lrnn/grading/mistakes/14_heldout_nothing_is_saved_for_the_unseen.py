"""counts are divided by their sum and no more: nothing is saved for what was not seen after this history,
and it has probability 0"""

from d2lrnn.grading.mistakes import *

CountModel = changed(
    "heldout",
    {
        "counts[char] - self.discount": "counts[char] - self.discount * (n < self.order - 1)",
        "self.discount * len(counts)": "self.discount * len(counts) * (n < self.order - 1)",
    },
).CountModel
