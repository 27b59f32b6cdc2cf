"""A square matrix is read back as Gluon keeps it, transposed: its shape gives nothing away."""

import d2lrnn
from d2lrnn import *


def read_gradients(model):
    gradients = d2lrnn.read_gradients(model)
    return {name: g.T if g.shape == g.T.shape else g for name, g in gradients.items()}
