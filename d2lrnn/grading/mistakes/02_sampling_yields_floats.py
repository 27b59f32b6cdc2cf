"""your batches are float32, the default of nd.array: indices beyond 2^24 are rounded. Ask for int32"""

from d2lrnn.grading.mistakes import *

wrong = changed("sampling", {', dtype="int32"': ""})
data_iter_random, data_iter_consecutive = wrong.data_iter_random, wrong.data_iter_consecutive
