"""the text is one character too short: count how often a character is chosen, and not how often the
network runs"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "decoding",
    {"return generate_batch([prefix], num_chars,": "return generate_batch([prefix], max(num_chars - 1, 0),"},
)
predict_rnn, generate = wrong.predict_rnn, wrong.generate
