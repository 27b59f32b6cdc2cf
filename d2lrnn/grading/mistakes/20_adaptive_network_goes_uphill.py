"""the parameters go along the gradient, and the loss grows: go against it"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed("adaptive", {"param -= self.lr": "param += self.lr"}).DynamicNetwork
