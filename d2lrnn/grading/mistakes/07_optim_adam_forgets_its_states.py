"""m and v are forgotten between the steps: every step starts from zero again. Change the states in place,
do not give their names to new arrays"""

from d2lrnn.grading.mistakes import *

wrong = changed("optim", {"m[:] = ": "m = ", "v[:] = ": "v = "})
adam, Optimizer = wrong.adam, wrong.Optimizer
