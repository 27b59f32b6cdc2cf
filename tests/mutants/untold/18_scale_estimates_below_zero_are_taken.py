"""An estimated discount below 0, which makes a count larger, is taken as it is."""

from d2lrnn.grading.mistakes import *

estimate_discounts = changed("scale", {"if 0 < better < k": "if better < k"}).estimate_discounts
