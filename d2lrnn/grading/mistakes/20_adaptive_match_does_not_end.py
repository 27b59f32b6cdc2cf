"""a match goes on although another character came: it ends there"""

from d2lrnn.grading.mistakes import *

LongestMatch = changed(
    "adaptive",
    {"np.where(self.text == char, ": "(self.text == char) + ", "+ 1, 0)": "* 1"},
).LongestMatch
