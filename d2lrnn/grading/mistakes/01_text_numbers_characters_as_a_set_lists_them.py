"""the right characters in the wrong order: a set lists them differently in every process, so that a model
saved today would write other characters tomorrow. Sort them"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {"sorted(char for": "list({char for", ">= min_freq)": ">= min_freq})"}).Vocab
