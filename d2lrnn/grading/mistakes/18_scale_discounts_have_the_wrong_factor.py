"""the factor of D is k + 1 for strings that occur k times, not k"""

from d2lrnn.grading.mistakes import *

module = changed("scale", {"k - (k + 1) * D": "k - k * D"})
estimate_discounts = module.estimate_discounts
KneserNey = module.KneserNey
