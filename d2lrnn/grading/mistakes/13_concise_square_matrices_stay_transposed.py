"""a square matrix came back as Gluon keeps it, transposed: its shape does not show it, so transpose every
matrix, whatever its shape"""

from d2lrnn.grading.mistakes import *

wrong = changed(
    "concise",
    {"return arrays\n": "return {name: a.T if a.shape == a.T.shape else a for name, a in arrays.items()}\n"},
)
read_params, read_gradients = wrong.read_params, wrong.read_gradients
