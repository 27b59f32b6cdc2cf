"""the last character of the prefix is read twice, once to warm the state up and once to begin with: its
answer after the first reading is the first new character"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "decoding",
    {
        "return generate_batch([prefix],": "return prefix + generate_batch([prefix + prefix[-1:]],",
        "seed))[0]": "seed))[0][len(prefix) + 1 :]",
    },
)
predict_rnn, generate = wrong.predict_rnn, wrong.generate
