"""the last shard is longer: its worker would wait for the others in batches that only it has"""

from d2lrnn.grading.mistakes import *

shard = changed(
    "dist", {"(index + 1) * size + 1]": "(index + 1) * size + 1 if index < num_workers - 1 else None]"}
).shard
