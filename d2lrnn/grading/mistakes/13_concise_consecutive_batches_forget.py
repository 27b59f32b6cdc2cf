"""consecutive batches carry the state on"""

from d2lrnn.grading.mistakes import *

train_epoch_gluon = changed("concise", {"if is_random_iter or state is None:": "if True:"}).train_epoch_gluon
