"""characters are numbered by how often they occur: number them in code point order"""

from d2lrnn.grading.mistakes import *

Vocab = changed(
    "text",
    {"self.unk = ": "kept.sort(key=lambda char: (-text.count(char), text.index(char)))\n        self.unk = "},
).Vocab
