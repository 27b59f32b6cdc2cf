"""the update gate is the wrong way round: where Z is 1, the old state stays"""

from d2lrnn.grading.mistakes import *

gru_reset_after = changed(
    "concise", {"Z * H + (1 - Z) * H_tilde": "(1 - Z) * H + Z * H_tilde"}
).gru_reset_after
