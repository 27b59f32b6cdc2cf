"""the state that came in is returned, not the one after the last step"""

from d2lrnn.grading.mistakes import *

gru_reset_after = changed("concise", {"return outputs, (H,)": "return outputs, state"}).gru_reset_after
