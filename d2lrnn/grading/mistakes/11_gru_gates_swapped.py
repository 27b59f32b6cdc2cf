"""the update gate and the reset gate are swapped"""

from d2lrnn.grading.mistakes import *

gru = changed("gru", {"W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh": "W_xr, W_hr, b_r, W_xz, W_hz, b_z, W_xh"}).gru
