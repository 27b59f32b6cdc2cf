"""2 to the power of the loss: that is for bits. The loss is in nats"""

from d2lrnn.grading.mistakes import *

perplexity = changed("loss", {"math.exp(nats_per_char)": "2.0**nats_per_char"}).perplexity
