"""the lengths are spread evenly: they are normal, with deviation 5"""

from d2lrnn.grading.mistakes import *

variable_lengths = changed(
    "regularise", {"rng.normal(mean, SPREAD)": "rng.uniform(mean - 9, mean + 9)"}
).variable_lengths
