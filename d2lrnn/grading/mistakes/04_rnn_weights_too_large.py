"""your weights have deviation 1, the default of nd.random.normal: tanh would be flat from the start. scale
is the deviation"""

from d2lrnn.grading.mistakes import *

get_params = changed("rnn", {"scale=scale, ctx=ctx": "ctx=ctx"}).get_params
