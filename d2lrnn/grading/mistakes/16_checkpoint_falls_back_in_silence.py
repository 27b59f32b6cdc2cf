"""a damaged checkpoint is skipped silently: work was lost, so a line has to say which one, and why"""

from d2lrnn.grading.mistakes import *

load_newest = changed("checkpoint", {"damaged.append(str(error))": "pass"}).load_newest
