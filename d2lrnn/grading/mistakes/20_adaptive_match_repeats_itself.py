"""the last character of the match is predicted: what followed it is wanted"""

from d2lrnn.grading.mistakes import *

LongestMatch = changed("adaptive", {"self.text[1:][": "self.text[:-1]["}).LongestMatch
