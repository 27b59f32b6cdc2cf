"""the shards are interleaved: a network learns from characters that stand next to each other"""

from d2lrnn.grading.mistakes import *

shard = changed("dist", {"index * size : (index + 1) * size + 1]": "index::num_workers][: size + 1]"}).shard
