"""the parameters have not moved: a new array under the old name leaves the network's own as it was. Write
into it"""

from d2lrnn.grading.mistakes import *

wrong = changed("optim", {"param[:] = param": "param = param"})
sgd, adam = wrong.sgd, wrong.adam
