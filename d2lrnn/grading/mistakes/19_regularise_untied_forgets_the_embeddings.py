"""the ordinary network reads one-hot rows, so the first W_x has a row for each character: W_e times the
old one"""

from d2lrnn.grading.mistakes import *

untie = changed(
    "regularise", {'nd.dot(W_e, W) if name[:3] == "W_x" and name.count("_") == 1 else W.copy()': "W.copy()"}
).untie
