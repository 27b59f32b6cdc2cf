"""all lengths are about num_steps: one in twenty is about half as long"""

from d2lrnn.grading.mistakes import *

variable_lengths = changed("regularise", {"rng.random() < HALVED": "False"}).variable_lengths
