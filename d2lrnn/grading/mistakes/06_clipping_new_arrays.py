"""the gradients are as long as before: scale them in place. A new array under the old name leaves the
gradient itself alone, and a generator is empty when it is read a second time"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed("clipping", {"g *= theta / norm": "g = g * (theta / norm)"}).grad_clipping
