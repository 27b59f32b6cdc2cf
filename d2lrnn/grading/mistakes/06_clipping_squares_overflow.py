"""the square of a large number is beyond float32, so your norm is infinite and every gradient becomes 0:
sum the squares in float64"""

from d2lrnn.grading.mistakes import *

grad_clipping = changed(
    "clipping",
    {
        '.astype("float64")': "",
        "math.hypot(*norms.asnumpy().tolist())": "float((norms**2).sum().sqrt().asscalar())",
        "not math.isfinite(norm)": "math.isnan(norm)",
    },
).grad_clipping
