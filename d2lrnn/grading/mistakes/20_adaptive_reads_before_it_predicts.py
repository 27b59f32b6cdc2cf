"""each character is read before it is predicted: the model has seen what it is asked for"""

import numpy as np

from d2lrnn.grading.mistakes import *


def predict_and_read(model, indices):
    p = []
    for char in indices:
        model.predict()
        model.read(char)
        p.append(model.predict()[char])
    return -np.log(p)
