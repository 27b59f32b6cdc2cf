"""the shortest history is counted first: begin with the longest, and stop where the character has been seen
after it"""

from d2lrnn.grading.mistakes import *

OnlineKneserNey = changed("adaptive", {"in reversed(self.histories)": "in self.histories"}).OnlineKneserNey
