"""the forget gate and the input gate are swapped: F keeps the old cell, I lets the candidate in"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"F * C + I * C_tilde": "I * C + F * C_tilde"}).lstm
