"""the worker that asks acts at once, and the others do not know: all hear of it with the next batch"""

from d2lrnn.grading.mistakes import *

Replica = changed(
    "dist", {"return self.heard\n": "return self.heard[0] or save, self.heard[1] or stop\n"}
).Replica
