"""from the second step on all is NaN: is the correction 1 minus beta times t? It is beta to the power of t"""

from d2lrnn.grading.mistakes import *

adam = changed("optim", {"beta1**t": "beta1 * t", "beta2**t": "beta2 * t"}).adam
