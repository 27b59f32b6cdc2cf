"""The new checkpoint is written over the old one, which is gone if the disk is full."""

import json
import os

import numpy as np

from d2lrnn import *


def save_checkpoint(path, arrays, facts):
    facts = np.frombuffer(json.dumps({"format": 1, **facts}).encode(), np.uint8)
    with open(path, "wb") as file:
        file.write(b"")
        os.fsync(file.fileno())
        np.savez(file, **{"facts.json": facts}, **{name: array.asnumpy() for name, array in arrays.items()})
