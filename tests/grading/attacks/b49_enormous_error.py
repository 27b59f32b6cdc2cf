"""Writes an answer by itself that is almost all text: sixty million characters about an error."""

import contextlib
import os
import stat
import sys

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                text = "\u202e" * 20_000_000
                sys.modules["wire"].write_frame(fd, {"ok": False, "stage": "call", "error": text, "line": 1})
    os._exit(0)
