"""The weight decay that Optimizer is given gets lost."""

from d2lrnn.grading.mistakes import *

Optimizer = changed("optim", {"weight_decay=self.weight_decay": "weight_decay=0"}).Optimizer
