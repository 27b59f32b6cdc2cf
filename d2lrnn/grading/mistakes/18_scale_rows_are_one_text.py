"""the rows are read as one long text: each has the history of its own characters only"""

from d2lrnn.grading.mistakes import *

KneserNey = changed(
    "scale",
    {
        "np.concatenate([np.full_like(string[..., :1], -1), string[..., :-1]], axis=-1)": (
            "np.append(-1, string.reshape(-1)[:-1]).reshape(string.shape)"
        )
    },
).KneserNey
