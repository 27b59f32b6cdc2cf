"""row r of a batch does not go on where row r of the batch before ended: the state that is carried over
would belong to another text. Lay the corpus out in batch_size long rows, and cut columns"""

from d2lrnn.grading.mistakes import *

windows = "batch_size * i + num_steps * np.arange(batch_size)[:, None] + np.arange(num_steps + 1)"
data_iter_consecutive = changed(
    "sampling", {"rows[:, i : i + num_steps + 1]": f"corpus[{windows}]"}
).data_iter_consecutive
