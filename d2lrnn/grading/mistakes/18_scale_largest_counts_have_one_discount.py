"""counts of 2 and of 3 and more take the discount of a count of 1"""

from d2lrnn.grading.mistakes import *

KneserNey = changed("scale", {"D[np.minimum(counts, 3) - 1]": "D[counts * 0]"}).KneserNey
