"""the state is not carried from character to character: what the network returned is what it starts from
next"""

from d2lrnn.grading.mistakes import *

wrong = changed("decoding", {"(Y,), state = rnn(": "(Y,), _ = rnn("})
predict_rnn, generate = wrong.predict_rnn, wrong.generate
