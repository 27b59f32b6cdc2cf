"""the learning rate falls in a straight line: a cosine stays near lr at first and near 0 at the end"""

from d2lrnn.grading.mistakes import *

learning_rate = changed("optim", {"(1 + math.cos(math.pi * progress)) / 2": "(1 - progress)"}).learning_rate
