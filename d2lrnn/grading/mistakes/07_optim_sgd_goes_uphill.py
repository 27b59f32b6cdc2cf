"""the step goes along the gradient: the loss is climbed. Go against it"""

from d2lrnn.grading.mistakes import *

sgd = changed("optim", {"param[:] = param - lr * g": "param[:] = param + lr * g"}).sgd
