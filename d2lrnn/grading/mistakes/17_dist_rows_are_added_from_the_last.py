"""the sum is right only in another order or precision: begin with the first two rows, and stay in float32,
as the parameter server does"""

from d2lrnn.grading.mistakes import *

InTurn = changed("dist", {"operator.add, rows)": "operator.add, rows[::-1])"}).InTurn
