"""characters are numbered as they first appear: number them in code point order, so that any text with the
same characters gives the same vocabulary"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {"self.unk = unk": "kept.sort(key=text.index)\n        self.unk = unk"}).Vocab
