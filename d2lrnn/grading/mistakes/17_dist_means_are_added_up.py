"""the means of the workers are added up: the mean over all characters is smaller"""

from d2lrnn.grading.mistakes import *

Replica = changed(
    "dist", {"self.flat /= chars": "self.flat /= label.size / len(self.workers.shards)"}
).Replica
