"""only the last worker counts: the next one overwrites the buffer, so copy it first"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"else buffer.copy() for": "else buffer for"}).Replica
