"""the first consecutive batch has to start from the state that is given"""

from d2lrnn.grading.mistakes import *

train_batches = changed(
    "training", {"    for batch in batches:\n": "    state = None\n    for batch in batches:\n"}
).train_batches
