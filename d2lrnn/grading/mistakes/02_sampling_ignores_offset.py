"""offset has no effect: your windows start at 0 all the same"""

from d2lrnn.grading.mistakes import *

data_iter_random = changed("sampling", {"_corpus_from(offset, ": "_corpus_from(0, "}).data_iter_random
