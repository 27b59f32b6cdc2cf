"""the squares are added up and not averaged: the steps shrink as the text grows"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed(
    "adaptive", {"nd.sqrt(squares / self.num_updates)": "nd.sqrt(squares)"}
).DynamicNetwork
