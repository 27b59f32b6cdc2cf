"""every time step starts from the first state: what the last step has read is forgotten"""

from d2lrnn.grading.mistakes import *

gru_reset_after = changed(
    "concise", {"for X in inputs:\n": "for X in inputs:\n        (H,) = state\n"}
).gru_reset_after
