"""the discount is n_1 / (n_1 + n_2): strings that occur twice count double"""

from d2lrnn.grading.mistakes import *

module = changed("scale", {"n[1] + 2 * n[2]": "n[1] + n[2]"})
estimate_discounts = module.estimate_discounts
KneserNey = module.KneserNey
