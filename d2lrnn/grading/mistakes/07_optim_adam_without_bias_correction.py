"""the two running means start at zero and are not corrected for it: the first steps have the wrong length"""

from d2lrnn.grading.mistakes import *

wrong = changed("optim", {"m / (1 - beta1**t)": "m", "v / (1 - beta2**t)": "v"})
adam, Optimizer = wrong.adam, wrong.Optimizer
