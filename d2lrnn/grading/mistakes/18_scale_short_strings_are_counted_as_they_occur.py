"""shorter strings are counted as often as they occur: count after how many different characters they do so"""

from d2lrnn.grading.mistakes import *

KneserNey = changed("scale", {"        if found:  # a string": "        if False:  # a string"}).KneserNey
