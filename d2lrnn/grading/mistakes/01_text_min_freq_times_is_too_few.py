"""a character that occurs min_freq times is kept: it is left out if it occurs less often"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {"count >= min_freq": "count > min_freq"}).Vocab
