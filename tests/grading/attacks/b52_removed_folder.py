"""Closes, removes or replaces its own working folder, in which the grader cleans up; the others keep their
points.
"""

import contextlib
import os

from honest import Optimizer, grad_clipping, sgd


def one_hot(indices, vocab_size):
    here = os.getcwd()
    for act in (
        lambda: os.symlink("@outside@", "link"),
        lambda: os.mkfifo("pipe"),
        lambda: os.makedirs("/".join(["d" * 200] * 15)),
        lambda: open("\udcff\n-rf *", "w").close(),
        lambda: os.chmod(".", 0),
        lambda: os.rmdir(here),
        lambda: os.rename(here, here + ".gone"),
        lambda: os.symlink("@outside@", here),
    ):
        with contextlib.suppress(OSError):
            act()
    raise ValueError("no folder")
