"""the rows lie window by window: the network reads time step after time step, so (batch_size, num_steps)
becomes (num_steps, batch_size)"""

from d2lrnn.grading.mistakes import *

get_rows = changed("fast", {"ndim=2).T": "ndim=2)"}).get_rows
