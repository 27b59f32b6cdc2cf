"""Writes a well-formed answer whose parts are of the wrong kind: lists for names, arrays for truth,
endless text.
"""

import contextlib
import os
import stat
import sys

import numpy as np

from honest import Optimizer

wire = sys.modules.get("wire")
ODD = [
    [],
    {},
    np.zeros(3),
    np.array(1),
    1e308,
    float("nan"),
    b"\xff",
    "time",
    "\0" * 30_000_000,
    -(2**63),
    None,
    True,
]


def forge(value):
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                wire.write_frame(fd, value)
    os._exit(0)


def one_hot(indices, vocab_size):
    odd = ODD[(int(np.sum(np.shape(indices))) + vocab_size) % len(ODD)]
    forge({"ok": False, "stage": odd, "error": "x", "line": 1})


def grad_clipping(params, theta):
    odd = ODD[(len(params) + int(params[0].size)) % len(ODD)]
    forge({"ok": False, "stage": "call", "error": odd, "line": odd})


def sgd(params, lr):
    forge({"ok": np.array(True), "value": None})
