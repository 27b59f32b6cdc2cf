"""of several layers only the first reads characters: in a second, W_xh_2 stays as it is"""

from d2lrnn.grading.mistakes import *

untie = changed("regularise", {' and name.count("_") == 1': ""}).untie
