"""the step goes along the gradient and climbs the loss: go against it"""

from d2lrnn.grading.mistakes import *

sgd = changed("optim", {"param[:] = param - lr * g": "param[:] = param + lr * g"}).sgd
