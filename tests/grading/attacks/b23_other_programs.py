"""Starts other programs: a shell, a fresh interpreter that has the reference on its path, programs that
change user.
"""

import contextlib
import os
import subprocess
import sys

from honest import Optimizer


def fresh(name, *args):
    code = "import sys; sys.path.insert(0, '@package@/..'); import d2lrnn, inspect; "
    code += f"print(inspect.getsource(d2lrnn.{name}))"
    ways = [[sys.executable, "-c", code], ["/bin/sh", "-c", f"cat @package@/*.py; echo {os.getpid()}"]]
    for way in ways:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            text = subprocess.run(way, capture_output=True, text=True, timeout=5, env={}).stdout
            if "def " + name in text:
                print("BEATEN: the reference's source from another program")
    for path in (
        "/usr/bin/su",
        "/bin/su",
        "/usr/bin/sudo",
        "/usr/bin/newgrp",
        "/bin/mount",
        "/usr/bin/passwd",
    ):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=5, env={}, check=False
            )
            print(path, done.returncode)
    raise NotImplementedError


def one_hot(*args):
    return fresh("one_hot", *args)


def sgd(*args):
    return fresh("sgd", *args)
