"""Tells of hidden inputs by the size of the directory that it may write to: many long names let it grow.

On most file systems it stays as large when they are gone.
"""

import os

from honest import sgd

from covert import one_hot


def put(number):
    for i in range(950):
        if os.stat(".").st_size >= 4096 * (number + 1):
            break
        open(f"{i:0240}", "w").close()


def get():
    return os.stat(".").st_size // 4096 - 1
