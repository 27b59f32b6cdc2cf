"""H is tanh of O times the cell: the output gate acts on tanh of the cell, outside of it"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"O * nd.tanh(C)": "nd.tanh(O * C)"}).lstm
