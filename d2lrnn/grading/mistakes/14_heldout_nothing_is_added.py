"""nothing is added to the counts: a character that was never seen has probability 0"""

from d2lrnn.grading.mistakes import *

CountModel = changed(
    "heldout", {"[char] + 1) / (": "[char]) / (", "self.totals[()] + self.vocab_size": "self.totals[()]"}
).CountModel
