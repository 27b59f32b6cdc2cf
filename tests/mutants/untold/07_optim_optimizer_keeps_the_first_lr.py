"""The learning rate that a schedule sets is not looked at."""

from d2lrnn.grading.mistakes import *

Optimizer = changed("optim", {"self.lr,": "self.first,"}).Optimizer
