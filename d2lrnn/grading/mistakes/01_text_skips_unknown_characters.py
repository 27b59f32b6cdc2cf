"""an unknown character is silently left out: the indices no longer fit the text. Refuse it"""

from d2lrnn.grading.mistakes import *

Vocab = changed(
    "text",
    {"for char in text]\n        except": "for char in text if char in self.char_to_idx]\n        except"},
).Vocab
