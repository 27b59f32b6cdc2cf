"""theta has no effect: the cosines are multiplied by it before the softmax"""

from d2lrnn.grading.mistakes import *

NeuralCache = changed("adaptive", {"nd.softmax(self.theta * ": "nd.softmax(1.0 * "}).NeuralCache
