"""the weights are all zero: every unit would learn the same. Draw them from a normal distribution"""

from d2lrnn.grading.mistakes import *

get_params = changed("rnn", {"nd.random.normal, scale=scale, ctx": "nd.zeros, ctx"}).get_params
