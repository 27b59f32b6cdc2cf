"""the old state and the candidate are added up whole: Z is the share of the one, 1 - Z that of the other"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"Z * H + (1 - Z) * H_tilde": "Z * H + H_tilde"}).gru
