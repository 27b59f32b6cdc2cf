"""the discount is saved once for every kind of character seen after the history, not once"""

from d2lrnn.grading.mistakes import *

CountModel = changed("heldout", {"self.discount * len(counts)": "self.discount"}).CountModel
