"""the text is one character too long: the last character of the prefix already brings the first new one,
so the network runs len(prefix) + num_chars - 1 times, not len(prefix) + num_chars"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "decoding",
    {"return generate_batch([prefix], num_chars,": "return generate_batch([prefix], num_chars + 1,"},
)
predict_rnn, generate = wrong.predict_rnn, wrong.generate
