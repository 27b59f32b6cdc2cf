"""the whole old cell is kept: the forget gate F is not used"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"F * C + I * C_tilde": "C + I * C_tilde"}).lstm
