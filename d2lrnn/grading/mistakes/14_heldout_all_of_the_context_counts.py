"""only the end of a context longer than order - 1 characters counts"""

from d2lrnn.grading.mistakes import *

CountModel = changed(
    "heldout", {"context = tuple(context)": "context = tuple(context) if len(context) < self.order else ()"}
).CountModel
