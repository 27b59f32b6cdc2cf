"""one bit was flipped, and other numbers came back: compare the sums of the files with those that were
written, before anything is read"""

from d2lrnn.grading.mistakes import *

load_checkpoint = changed("checkpoint", {" or _sum(path / name) != files[name]": ""}).load_checkpoint
