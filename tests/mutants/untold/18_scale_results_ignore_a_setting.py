"""Results of other settings are found, too."""

from d2lrnn.grading.mistakes import *

load_results = changed("scale", {"if all(each.get": "if any(each.get"}).load_results
