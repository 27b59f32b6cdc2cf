"""After its end the cosine rises again, as a period would, instead of being refused."""

from d2lrnn.grading.mistakes import *

learning_rate = changed("optim", {"if t > num_updates": "if False"}).learning_rate
