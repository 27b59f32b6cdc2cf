"""The buffer of all gradients is on the default device, and so are the gradients from then on."""

from d2lrnn.grading.mistakes import *

flat_gradients = changed("dist", {", ctx=params[0].context)": ")"}).flat_gradients
