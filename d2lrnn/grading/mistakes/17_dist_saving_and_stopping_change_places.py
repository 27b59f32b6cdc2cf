"""saving and stopping are swapped"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"return self.heard\n": "return self.heard[::-1]\n"}).Replica
