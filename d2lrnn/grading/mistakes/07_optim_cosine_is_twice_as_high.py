"""1 + cos runs from 2 to 0: halve it"""

from d2lrnn.grading.mistakes import *

learning_rate = changed(
    "optim", {"math.cos(math.pi * progress)) / 2": "math.cos(math.pi * progress))"}
).learning_rate
