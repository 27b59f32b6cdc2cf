"""the matrices of the gates are joined in our order i, f, o, c: Gluon reads i, f, c, o"""

from d2lrnn.grading.mistakes import *

set_params = changed("concise", {'"ifco"': '"ifoc"'}).set_params
