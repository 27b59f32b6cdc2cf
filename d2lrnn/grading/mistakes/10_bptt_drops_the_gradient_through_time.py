"""no gradient arrives from the step after: to the part of this step's output comes what returns through
W_hh"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {" + dH_from_next": ""}).bptt
