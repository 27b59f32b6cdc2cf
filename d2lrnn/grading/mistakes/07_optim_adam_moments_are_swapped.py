"""m and v have changed places: m is the mean of the gradient, v that of its square"""

from d2lrnn.grading.mistakes import *

adam = changed(
    "optim",
    {
        "m_hat = m / (1 - beta1**t)": "m_hat = v / (1 - beta2**t)",
        "v_hat = v / (1 - beta2**t)": "v_hat = m / (1 - beta1**t)",
    },
).adam
