"""eps has no effect"""

from d2lrnn.grading.mistakes import *

adam = changed("optim", {"nd.sqrt(v_hat) + eps": "nd.sqrt(v_hat) + 1e-8"}).adam
