"""numpy is allowed to unpickle, so a checkpoint from a stranger can run any program."""

import json

import numpy as np
from mxnet import nd

from d2lrnn import *


def load_checkpoint(path, ctx=None):
    with np.load(path, allow_pickle=True) as members:
        loaded = {name: members[name] for name in members.files}
    facts = json.loads(loaded.pop("facts.json").tobytes()) if "facts.json" in loaded else {}
    return {name: nd.array(array, ctx=ctx, dtype=array.dtype) for name, array in loaded.items()}, facts
