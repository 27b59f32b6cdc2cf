"""t is 1 in the first step: you correct for one more"""

from d2lrnn.grading.mistakes import *

adam = changed("optim", {"check_size(t=t)": "t = t + 1"}).adam
