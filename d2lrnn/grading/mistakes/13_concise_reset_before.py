"""the reset gate acts before the product with W_hh: that is the book's form. Gluon's acts after it"""

from d2lrnn.grading.mistakes import *

gru_reset_after = changed("concise", {"R * nd.dot(H, W_hh)": "nd.dot(R * H, W_hh)"}).gru_reset_after
