"""lr has no effect: the step is as long as the gradient"""

from d2lrnn.grading.mistakes import *

sgd = changed("optim", {"param[:] = param - lr * g": "param[:] = param - g"}).sgd
