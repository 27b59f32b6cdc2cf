"""only the first parameter moves: does the function return inside its loop?"""

from d2lrnn.grading.mistakes import *

_changed = changed(
    "optim",
    {
        "param[:] = param - lr * g\n": "param[:] = param - lr * g\n        return\n",
        "(nd.sqrt(v_hat) + eps)\n": "(nd.sqrt(v_hat) + eps)\n        return\n",
    },
)
sgd, adam, adamw, Optimizer = _changed.sgd, _changed.adam, _changed.adamw, _changed.Optimizer
