"""What is read goes to the default device, wherever the parameters are."""

from d2lrnn.grading.mistakes import *

network_probabilities = changed("scale", {"], ctx, ": "], None, "}).network_probabilities
