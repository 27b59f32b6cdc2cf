"""the gradients are clipped after the step: by then the parameters have moved too far"""

from d2lrnn.grading.mistakes import *

train_batches = changed(
    "training",
    {
        "    grad_clipping(params, theta)\n": "",
        "optimizer.step(params)\n": "optimizer.step(params)\n    grad_clipping(params, theta)\n",
    },
).train_batches
