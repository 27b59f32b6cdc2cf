"""only the last worker counts: the next one overwrites the buffer, so copy it first"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"else self.flat.copy())": "else self.flat)"}).Replica
