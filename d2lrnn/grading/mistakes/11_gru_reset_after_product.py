"""the reset gate acts after the product with W_hh: that is Gluon's form. The book's acts on H first"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"nd.dot(R * H, W_hh)": "R * nd.dot(H, W_hh)"}).gru
