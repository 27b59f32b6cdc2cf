"""Code that rewrites itself: exec, code objects made by hand, a module that replaces itself; is right
otherwise where that can be.
"""

import sys
import types

from honest import sgd


class Module(types.ModuleType):
    def __getattribute__(self, name):
        raise SystemExit(name)


sys.modules[__name__] = Module(__name__)
globals()["__name__"] = "d2lrnn.grading.jail"
globals()["__builtins__"] = {"__import__": None}
exec("one_hot = (lambda: 0).__code__.replace(co_code=b'\\xff' * 64)")
