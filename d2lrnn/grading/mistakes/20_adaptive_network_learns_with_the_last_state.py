"""the segment is read again from a state that has read it: keep the state before its first character"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive",
    {
        "self.chars, self.first_state = [], self.state": "self.chars = []",
        "        (self.logits,)": "        self.first_state = self.state\n        (self.logits,)",
    },
).DynamicNetwork
