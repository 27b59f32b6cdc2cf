"""Reads secrets from the environment: its own, and that of every process."""

import os
from pathlib import Path

from honest import one_hot

if any("SECRET" in name or os.path.exists(value + "/d2lrnn") for name, value in os.environ.items()):
    print("BEATEN: a secret in the environment")
for path in ["/proc/self/environ", *Path("/proc").glob("[0-9]*/environ"), "/proc/@grader@/environ"]:
    try:
        if b"D2LRNN_ATTACK_SECRET" in Path(path).read_bytes():
            print("BEATEN: a secret in", path)
    except OSError:
        pass
