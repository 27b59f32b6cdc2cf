"""t stays 1: every step is corrected as if it were the first. Count the steps"""

from d2lrnn.grading.mistakes import *

wrong = changed("optim", {"check_size(t=t)": "t = 1", "self.t + 1, w": "1, w"})
adam, Optimizer = wrong.adam, wrong.Optimizer
