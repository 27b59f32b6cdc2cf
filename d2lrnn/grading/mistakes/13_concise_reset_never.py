"""the reset gate has no effect"""

from d2lrnn.grading.mistakes import *

gru_reset_after = changed("concise", {"R * nd.dot(H, W_hh)": "nd.dot(H, W_hh)"}).gru_reset_after
