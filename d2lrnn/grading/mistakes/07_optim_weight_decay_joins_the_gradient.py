"""the decay is added to the gradient, where Adam divides it by the root of v. Decoupled, it is taken from the
parameter itself and goes into neither m nor v"""

from d2lrnn.grading.mistakes import *


def adamw(params, states, lr, t, *, weight_decay=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
    for param in params:
        param.grad[:] += weight_decay * param
    adam(params, states, lr, t, beta1=beta1, beta2=beta2, eps=eps)
