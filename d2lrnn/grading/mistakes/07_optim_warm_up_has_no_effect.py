"""warmup has no effect: the first steps already have the full lr"""

from d2lrnn.grading.mistakes import *

learning_rate = changed("optim", {"if t <= warmup": "if False"}).learning_rate
