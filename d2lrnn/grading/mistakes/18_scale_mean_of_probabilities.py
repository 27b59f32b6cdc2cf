"""the probabilities were averaged: average their logarithms"""

from d2lrnn.grading.mistakes import *

mean_perplexity = changed(
    "scale", {"-np.mean(np.log(probabilities), where=where)": "-np.log(np.mean(probabilities, where=where))"}
).mean_perplexity
