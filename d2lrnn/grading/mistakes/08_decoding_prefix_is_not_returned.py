"""only the new characters came back: the text begins with the prefix"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "decoding",
    {
        "temperature=0)[0]": "temperature=0)[0][len(prefix) :]",
        "**options)[0]": "**options)[0][len(prefix) :]",
    },
)
predict_rnn, generate = wrong.predict_rnn, wrong.generate
