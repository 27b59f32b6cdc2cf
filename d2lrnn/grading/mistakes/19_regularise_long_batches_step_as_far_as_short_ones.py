"""the length of the batch is ignored: the learning rate grows and shrinks with it"""

from d2lrnn.grading.mistakes import *

scheduled_batches = changed("regularise", {" * data.shape[1] / num_steps": ""}).scheduled_batches
