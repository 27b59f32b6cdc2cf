"""the steps are too short: step(n) divides the gradients by n, and yours are those of a mean already"""

from d2lrnn.grading.mistakes import *

train_epoch_gluon = changed("concise", {"trainer.step(1)": "trainer.step(len(data))"}).train_epoch_gluon
