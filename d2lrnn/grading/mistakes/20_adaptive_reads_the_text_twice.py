"""the whole text is read before it is measured: each character is predicted from those before it alone"""

from d2lrnn.grading.mistakes import *

Right = predict_and_read


def predict_and_read(model, indices):
    Right(model, indices)
    return Right(model, indices)
