"""to save and to stop have changed places"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"return self.heard\n": "return self.heard[::-1]\n"}).Replica
