"""Turns on audit hooks, tracing of memory, garbage callbacks and a debugger; is right otherwise."""

import gc
import sys
import tracemalloc

from honest import Optimizer, grad_clipping, one_hot, sgd

tracemalloc.start(50)
gc.set_debug(gc.DEBUG_SAVEALL)
gc.callbacks.append(lambda phase, info: None)
sys.addaudithook(lambda event, args: None)
sys.setswitchinterval(1e-9)
sys.breakpointhook = sys.displayhook = lambda *args: sys.exit(0)
