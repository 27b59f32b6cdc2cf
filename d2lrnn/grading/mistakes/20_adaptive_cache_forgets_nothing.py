"""the memory is not limited to the window"""

from d2lrnn.grading.mistakes import *

NeuralCache = changed("adaptive", {"deque(maxlen=window)": "deque()"}).NeuralCache
