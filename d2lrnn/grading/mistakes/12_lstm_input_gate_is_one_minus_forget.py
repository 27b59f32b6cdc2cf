"""the candidate is weighed by 1 - F: an LSTM has an input gate of its own, I"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"F * C + I * C_tilde": "F * C + (1 - F) * C_tilde"}).lstm
