"""your line ends are dropped: the last word of a line and the first of the next become one. Put a space
where a line ended"""

from d2lrnn.grading.mistakes import *

load_corpus = changed("text", {'text.replace(line_end, " ")': 'text.replace(line_end, "")'}).load_corpus
