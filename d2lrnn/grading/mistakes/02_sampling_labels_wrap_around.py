"""the label of the last character of a row is the first of that row: a row does not go round in a circle"""

from d2lrnn.grading.mistakes import *

data_iter_consecutive = changed(
    "sampling",
    {
        "rows = corpus[": "rows, num_chars = corpus[",
        ".reshape(batch_size, row_len)": ".reshape(batch_size, row_len), row_len",
        "range(0, row_len - num_steps, num_steps)": "range(0, row_len - num_steps + 1, num_steps)",
        "rows[:, i : i + num_steps + 1]": "rows[:, [j % num_chars for j in range(i, i + num_steps + 1)]]",
    },
).data_iter_consecutive
