"""the candidate uses the sigmoid: it is not a gate, and needs both signs. Use tanh"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"C_tilde = nd.tanh(": "C_tilde = nd.sigmoid("}).lstm
