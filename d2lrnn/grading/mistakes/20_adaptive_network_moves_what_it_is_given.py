"""the parameters that are given are moved: move copies, or the next text begins with what this one taught"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed("adaptive", {"[W.copy() for W in params]": "list(params)"}).DynamicNetwork
