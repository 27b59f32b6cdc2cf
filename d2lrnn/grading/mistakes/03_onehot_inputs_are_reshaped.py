"""the shapes are right, and the characters stand in the wrong rows: reshape does not turn rows into
columns"""

from d2lrnn.grading.mistakes import *

get_inputs = changed("onehot", {"ndim=2).T]": "ndim=2).reshape(data.shape[::-1])]"}).get_inputs
