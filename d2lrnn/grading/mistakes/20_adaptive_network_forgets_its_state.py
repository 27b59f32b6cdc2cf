"""after each training step the state is zeros again: it is carried through the whole text"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive",
    {"self.chars, self.first_state = [], self.state": "self.chars, self.state = [], self.first_state"},
).DynamicNetwork
