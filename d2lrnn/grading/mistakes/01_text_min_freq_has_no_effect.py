"""min_freq has no effect: rare characters are still there"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {" if count >= min_freq": ""}).Vocab
