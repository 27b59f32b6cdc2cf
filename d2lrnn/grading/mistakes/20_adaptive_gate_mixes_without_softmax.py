"""the weights of the models do not sum to 1: they are a softmax"""

from d2lrnn.grading.mistakes import *

AdaptiveModel = changed(
    "adaptive", {"nd.softmax(nd.dot(self.f, self.W.T))": "nd.sigmoid(nd.dot(self.f, self.W.T))"}
).AdaptiveModel
