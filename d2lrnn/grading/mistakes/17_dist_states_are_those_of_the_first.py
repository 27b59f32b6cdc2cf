"""all workers start from the state of the first: each has rows of its own there, too"""

from d2lrnn.grading.mistakes import *

Replica = changed("dist", {"tuple(S[mine] for S in state)": "tuple(S[:size] for S in state)"}).Replica
