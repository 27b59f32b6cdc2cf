"""What is kept is drawn on the default device."""

from d2lrnn.grading.mistakes import *

dropout = changed("heldout", {", ctx=X.context)": ")"}).dropout
