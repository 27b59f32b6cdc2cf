"""half a turn is pi: you stop at a quarter, where the learning rate has only come down to half"""

from d2lrnn.grading.mistakes import *

learning_rate = changed(
    "optim", {"math.cos(math.pi * progress)": "math.cos(math.pi / 2 * progress)"}
).learning_rate
