"""a character is kept beside the state that has read it: keep it beside the state before it, which will look
alike when it is to come again"""

from d2lrnn.grading.mistakes import *

Right = NeuralCache


class NeuralCache(Right):
    def predict(self):
        p = super().predict()
        if hasattr(self, "char"):
            self.memory.append((self.key, self.char))
        return p

    def read(self, char):
        self.char = char
