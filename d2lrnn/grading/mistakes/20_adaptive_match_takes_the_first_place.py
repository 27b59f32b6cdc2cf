"""of several longest matches the first is taken: take the last"""

from d2lrnn.grading.mistakes import *

LongestMatch = changed("adaptive", {"[-1:] if": "[:1] if"}).LongestMatch
