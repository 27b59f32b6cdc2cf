"""top_k is taken and not used: characters beyond the k likeliest are drawn"""

from d2lrnn.grading.mistakes import *

generate = changed("decoding", {'"top_k": top_k, ': ""}).generate
