"""m and v are forgotten between the steps: every step starts from zero again. Change the states in place,
do not give their names to new arrays"""

from d2lrnn.grading.mistakes import *

wrong = changed("optim", {"m[:] = b": "m = b", "v[:] = b": "v = b"})
adam, Optimizer = wrong.adam, wrong.Optimizer
