"""the end of a Windows line is two characters, but one line end: it became two spaces"""

from d2lrnn.grading.mistakes import *

load_corpus = changed("text", {'("\\r\\n", "\\r", "\\n")': '("\\r", "\\n")'}).load_corpus
