"""Leaves a daemon that waits until the grader has written its results, and writes others over them."""

import contextlib
import os
import time
from pathlib import Path

from honest import one_hot

with contextlib.suppress(OSError):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for _ in range(40):
                time.sleep(0.25)
                with contextlib.suppress(OSError):
                    Path("@outside@/results/results.json").write_text('{"score": 100}', encoding="utf-8")
        os._exit(0)
