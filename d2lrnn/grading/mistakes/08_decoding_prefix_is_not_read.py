"""only the last character of the prefix was read: all those before it have to pass through the network
too, for what they leave in the state"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "decoding", {"return generate_batch([prefix],": "return prefix[:-1] + generate_batch([prefix[-1:]],"}
)
predict_rnn, generate = wrong.predict_rnn, wrong.generate
