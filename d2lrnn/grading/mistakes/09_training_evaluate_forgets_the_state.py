"""every piece starts from a state of zeros: a row carries its state to its end"""

from d2lrnn.grading.mistakes import *

evaluate = changed(
    "training",
    {"outputs, state = rnn(get_inputs(data, vocab_size)": "outputs, _ = rnn(get_inputs(data, vocab_size)"},
).evaluate
