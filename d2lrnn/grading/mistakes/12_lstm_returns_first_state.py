"""the state that came in is returned, not the one after the last step"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"return outputs, (H, C)": "return outputs, state"}).lstm
