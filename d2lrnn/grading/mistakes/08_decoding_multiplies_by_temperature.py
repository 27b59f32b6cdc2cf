"""the temperature acts the wrong way round: a high one has to make the characters more alike, so the
logits are divided by it, not multiplied"""

from d2lrnn.grading.mistakes import *

generate = changed(
    "decoding", {'{"temperature": temperature,': '{"temperature": temperature and 1 / temperature,'}
).generate
