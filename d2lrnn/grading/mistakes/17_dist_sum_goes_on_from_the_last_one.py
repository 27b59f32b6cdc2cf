"""out still counts: what stood in it before is to be forgotten"""

from d2lrnn.grading.mistakes import *

InTurn = changed("dist", {"operator.add, rows)": "operator.add, [out, *rows])"}).InTurn
