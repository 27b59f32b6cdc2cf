"""an index outside the vocabulary goes through, as Python counts a negative one from the end: refuse what
is not in 0 … len(vocab) - 1"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {"to_indices(integers, len(self))": "integers"}).Vocab
