"""only the new characters came back: the text begins with the prefix"""

from d2lrnn.grading.mistakes import *

wrong = changed("decoding", {"seed))[0]": "seed))[0][len(prefix) :]"})
predict_rnn, generate = wrong.predict_rnn, wrong.generate
