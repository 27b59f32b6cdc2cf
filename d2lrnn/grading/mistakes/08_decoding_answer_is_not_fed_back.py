"""the character that was chosen is not fed back: the network reads the end of the prefix again and again.
What it has just answered is its next input"""

from d2lrnn.grading.mistakes import *

wrong = changed("decoding", {"chars[t : t + 1])": "chars[min(t, lengths[0] - 1)][None])"})
predict_rnn, generate = wrong.predict_rnn, wrong.generate
