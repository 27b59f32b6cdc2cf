"""the whole candidate is added to the cell: the input gate I is not used"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"F * C + I * C_tilde": "F * C + C_tilde"}).lstm
