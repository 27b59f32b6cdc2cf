"""only the gate learns: every model reads the character, too"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed("adaptive", {"model.read(char)": "pass"}).AdaptiveModel
