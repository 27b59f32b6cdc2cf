"""the states are compared by their product: the cosine is the product of vectors of length 1"""

from d2lrnn.grading.mistakes import *

NeuralCache = changed("adaptive", {"nd.L2Normalization": ""}).NeuralCache
