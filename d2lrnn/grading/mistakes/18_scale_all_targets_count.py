"""targets that were to be left out are counted"""

from d2lrnn.grading.mistakes import *

mean_perplexity = changed(
    "scale", {"np.log(probabilities), where=where": "np.log(probabilities)"}
).mean_perplexity
