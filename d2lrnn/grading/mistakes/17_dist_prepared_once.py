"""only the first worker is prepared: each has to be, before it learns"""

from d2lrnn.grading.mistakes import *

Replica = changed(
    "dist",
    {"            self.prepare(index)\n": "            if not rows:\n                self.prepare(index)\n"},
).Replica
