"""v is the running mean of g, not of g squared: it says how large gradients are, so that its root is NaN
where the slope is negative"""

from d2lrnn.grading.mistakes import *

adam = changed("optim", {"(1 - beta2) * g * g": "(1 - beta2) * g"}).adam
