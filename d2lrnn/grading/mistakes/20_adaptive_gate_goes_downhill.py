"""the gate gives a model less weight the better it is: its gradient has the wrong sign"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed("adaptive", {"self.W.grad[:] = -nd.dot": "self.W.grad[:] = nd.dot"}).AdaptiveModel
