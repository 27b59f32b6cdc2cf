"""the string at the beginning of the text has nothing before it: count the beginning as a neighbour"""

from d2lrnn.grading.mistakes import *

KneserNey = changed("scale", {"np.append(numbers[first + 1], numbers[0])": "numbers[first + 1]"}).KneserNey
