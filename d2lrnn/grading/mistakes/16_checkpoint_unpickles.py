"""a pickled array was opened, and what it said was done: a checkpoint from a stranger can run any program.
Leave allow_pickle at False"""

import json

import numpy as np
from mxnet import nd

from d2lrnn import *


def load_checkpoint(path, ctx=None):
    with np.load(path / "arrays.npz", allow_pickle=True) as members:
        arrays = {name: nd.array(members[name], ctx=ctx, dtype=members[name].dtype) for name in members.files}
    return arrays, json.loads((path / "facts.json").read_bytes())
