"""the buffer holds a copy of gradients as they were: they have to be parts of it, so that backward()
writes into it"""

from d2lrnn.grading.mistakes import *

flat_gradients = changed("dist", {"autograd.mark_variables(list(params), views)": "pass"}).flat_gradients
