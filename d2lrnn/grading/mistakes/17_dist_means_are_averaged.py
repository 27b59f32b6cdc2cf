"""the mean is one over workers, and not over characters: a worker that has read more counts more"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"buffer *= part.data.size": "pass"}).Replica
