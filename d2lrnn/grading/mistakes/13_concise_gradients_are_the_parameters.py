"""these are the parameters: their gradients are asked for"""

from d2lrnn.grading.mistakes import *

read_gradients = changed("concise", {'"grad")': '"data")'}).read_gradients
