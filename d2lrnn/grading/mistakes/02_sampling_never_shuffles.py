"""your windows come in the order of the corpus: shuffle them, with the rng that is handed in"""

from d2lrnn.grading.mistakes import *

data_iter_random = changed(
    "sampling", {"np.random.default_rng(rng).shuffle(starts)": "pass"}
).data_iter_random
