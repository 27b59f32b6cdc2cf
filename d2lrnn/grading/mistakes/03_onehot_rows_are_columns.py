"""one row for every index, with vocab_size columns: yours is the other way round"""

from d2lrnn.grading.mistakes import *

one_hot = changed("onehot", {"try_gpu()), vocab_size)": "try_gpu()), vocab_size).T"}).one_hot
