"""Takes long, but not too long, over right answers: the function keeps its points."""

import time

from honest import Optimizer, grad_clipping, sgd

time.sleep(float("@seconds@") / 10)
