"""the outputs are made of the cell C: they are made of the state H"""

from d2lrnn.grading.mistakes import *

lstm = changed("lstm", {"nd.dot(H, W_hy)": "nd.dot(C, W_hy)"}).lstm
