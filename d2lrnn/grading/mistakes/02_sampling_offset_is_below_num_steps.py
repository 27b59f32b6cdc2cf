"""offsets below num_steps are enough for random windows, not for consecutive rows: what is left over at
the end of every row is up to batch_size * num_steps characters further on"""

from d2lrnn.grading.mistakes import *

fresh_offset = changed("sampling", {"min(batch_size * num_steps - 1, ": "min(num_steps - 1, "}).fresh_offset
