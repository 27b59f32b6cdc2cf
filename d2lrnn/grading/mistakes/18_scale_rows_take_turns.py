"""the characters are dealt out to the rows in turn: each row is a piece of the text, cut out as it stands"""

from d2lrnn.grading.mistakes import *

cut_rows = changed("scale", {"reshape(batch_size, -1)": "reshape(-1, batch_size).T"}).cut_rows
