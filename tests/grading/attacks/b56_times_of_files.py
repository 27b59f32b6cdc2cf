"""Tells of hidden inputs by the times when files were last read: Python's, and the directory of a call."""

import glob
import os
import time

from honest import sgd

from covert import one_hot

FILES = sorted(glob.glob(os.path.dirname(os.__file__) + "/lib2to3/fixes/fix_*.py"))[10:16]


def put(number):
    for i, name in enumerate(FILES):
        if number >> i & 1:
            with open(name, "rb") as file:
                file.read(1)
    os.listdir(".")


def get():
    now = time.time()
    return sum((now - os.stat(name).st_atime < 60) << i for i, name in enumerate(FILES))
