"""the checkpoint given as previous was removed: it is the newest that is known to be whole, whatever its
number"""

from d2lrnn.grading.mistakes import *

save_next = changed(
    "checkpoint", {"old not in (path, previous) and": "old != path and old.name not in numbers[-1:] and"}
).save_next
