"""after a history that was never seen every character is as likely as another: ask the shorter history"""

from d2lrnn.grading.mistakes import *

KneserNey = changed(
    "scale",
    {
        "p[seen] = above[seen]": "p[~seen] = 1 / self.vocab_size\n            p[seen] = above[seen]",
    },
).KneserNey
