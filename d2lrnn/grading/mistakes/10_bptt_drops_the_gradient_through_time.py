"""no gradient arrives from the next step: add what comes back through W_hh to the part of this step's own
output"""

from d2lrnn.grading.mistakes import *

bptt = changed("bptt", {" + dH_from_next": ""}).bptt
