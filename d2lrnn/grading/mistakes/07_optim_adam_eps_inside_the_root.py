"""eps stands inside the root, where it drowns a small gradient: take the root first"""

from d2lrnn.grading.mistakes import *

adam = changed("optim", {"(nd.sqrt(v_hat) + eps)": "nd.sqrt(v_hat + eps)"}).adam
