"""the weights are pushed away from 0: a decay pulls them towards it"""

from d2lrnn.grading.mistakes import *

adamw = changed("optim", {"param -= shrinkage": "param += shrinkage"}).adamw
