"""the mean of RMS is not added: what is rarely used moves as far as the rest"""

from d2lrnn.grading.mistakes import *

DynamicNetwork = changed("adaptive", {"(RMS + RMS.mean() + EPS)": "(RMS + EPS)"}).DynamicNetwork
