"""only the last worker counts: the next one writes over what stands in the buffer, so keep it before"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"else self.flat.copy())": "else self.flat)"}).Replica
