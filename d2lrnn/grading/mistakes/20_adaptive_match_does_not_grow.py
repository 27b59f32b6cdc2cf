"""a match never gets longer than one character: it grows where it goes on"""

from d2lrnn.grading.mistakes import *

LongestMatch = changed("adaptive", {"[: len(self.text)] + 1": "[: len(self.text)] * 0 + 1"}).LongestMatch
