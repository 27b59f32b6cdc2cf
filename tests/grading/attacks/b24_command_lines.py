"""Reads the command lines of other processes, where the seed of the hidden cases may stand."""

from pathlib import Path

from honest import one_hot

for path in [*Path("/proc").glob("[0-9]*/cmdline"), Path("/proc/@grader@/cmdline")]:
    try:
        if b"attacks.py" in path.read_bytes():
            print("BEATEN:", path)
    except OSError:
        pass
for path in (
    "/etc/shadow",
    Path("/root", ".bashrc"),
    Path("/root", ".ssh"),
    "/proc/1/environ",
    "/proc/kcore",
    "/dev/mem",
    "/dev/sda",
):
    try:
        open(path, "rb").read(1)
        print("BEATEN:", path)
    except OSError:
        pass
