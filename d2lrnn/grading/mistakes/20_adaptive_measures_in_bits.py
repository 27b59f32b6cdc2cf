"""-log2 p is measured: nats are wanted, -log p"""

from d2lrnn.grading.mistakes import *

predict_and_read = changed("adaptive", {"-np.log(": "-np.log2("}).predict_and_read
