"""Python counts a negative index from the end: -1 became the last character. Refuse what is not in 0 …
len(vocab) - 1"""

from d2lrnn.grading.mistakes import *

Vocab = changed("text", {"if not 0 <= idx < len(self):": "if idx >= len(self):"}).Vocab
