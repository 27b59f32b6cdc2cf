"""the means of the workers are added up: the mean over all characters is smaller"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"buffer /= chars": "buffer /= label.size / len(self.workers.shards)"}).Replica
