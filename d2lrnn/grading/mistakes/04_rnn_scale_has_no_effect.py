"""scale has no effect: with another scale the weights are those of 0.01"""

from d2lrnn.grading.mistakes import *

get_params = changed("rnn", {"scale=scale, ctx=ctx": "scale=0.01, ctx=ctx"}).get_params
