"""what is saved is shared out equally: share it out as the shorter history would"""

from d2lrnn.grading.mistakes import *

CountModel = changed("heldout", {"saved * p)": "saved / self.vocab_size)"}).CountModel
