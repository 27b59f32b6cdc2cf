"""the gate does not learn: W stays as it is"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed("adaptive", {"self.optimizer.step([self.W])": "pass"}).AdaptiveModel
