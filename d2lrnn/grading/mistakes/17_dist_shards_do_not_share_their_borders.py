"""the last character of each shard has no label: it is the first one of the next shard, which belongs to
both"""

from d2lrnn.grading.mistakes import *

shard = changed("dist", {"(index + 1) * size + 1]": "(index + 1) * size]"}).shard
