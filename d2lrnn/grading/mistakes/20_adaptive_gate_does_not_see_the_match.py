"""the gate does not see how long the match is, and cannot learn when to trust a pointer"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed("adaptive", {"*np.eye(16)[longest]": "*np.eye(16)[0]"}).AdaptiveModel
