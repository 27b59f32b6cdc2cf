"""the gradients are a sum: a mean over the characters of all workers is expected, as for loss"""

from d2lrnn.grading.mistakes import *

Replica = changed(
    "dist", {"            buffer /= chars": "            pass\n        self.numbers /= chars"}
).Replica
