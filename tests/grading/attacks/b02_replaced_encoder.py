"""Replaces the functions with which its side writes answers, and the driver that asks it."""

import contextlib
import gc
import os
import sys
import types


def nonsense(*args, **kwargs):
    return b"\xff" * 100


for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").split(".")[-1] in ("wire", "worker", "sandbox"):
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType):
                value.__code__ = nonsense.__code__
                setattr(module, name, nonsense)
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__name__ in (
        "encode",
        "write_frame",
        "drive",
        "_answer",
    ):
        with contextlib.suppress(ValueError):
            thing.__code__ = nonsense.__code__
os.write = os.writev = os.sendfile = nonsense
