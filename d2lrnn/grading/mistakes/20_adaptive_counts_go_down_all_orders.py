"""every shorter history counts each occurrence: below the highest order only what is new after the longer
history counts"""

from d2lrnn.grading.mistakes import *

OnlineKneserNey = changed("adaptive", {"if self.counts[h][char] > 1:": "if False:"}).OnlineKneserNey
