"""the seed is taken and not used: two calls with the same seed write two texts. Draw from a generator that
is made anew, with the seed, in every call"""

from d2lrnn.grading.mistakes import *

generate = changed("decoding", {', "seed": seed}': "}"}).generate
