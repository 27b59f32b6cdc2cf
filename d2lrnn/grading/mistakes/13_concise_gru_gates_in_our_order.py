"""the matrices of the gates are joined in our order z, r, h: Gluon reads r, z, h"""

from d2lrnn.grading.mistakes import *

set_params = changed("concise", {'"rzh"': '"zrh"'}).set_params
