"""a history that was never seen falls to the unigram at once: try each shorter history first"""

from d2lrnn.grading.mistakes import *

CountModel = changed(
    "heldout", {"if history not in self.followers:": "if context[-self.order + 1 :] not in self.followers:"}
).CountModel
