"""max_chars has no effect: the text is as long as the whole file"""

from d2lrnn.grading.mistakes import *

load_corpus = changed("text", {")[:max_chars]": ")"}).load_corpus
