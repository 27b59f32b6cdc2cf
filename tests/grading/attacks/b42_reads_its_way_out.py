"""Lists and reads the file system through /proc/self: root, cwd, fd, exe, mountinfo, of itself and of
threads.
"""

import os

from honest import one_hot

for path in (
    "/proc/self/root@outside@/tests/answers.json",
    "/proc/self/cwd/../@outside@/tests/answers.json",
    "/proc/thread-self/root@package@/onehot.py",
    "/proc/self/task/1/root@package@/onehot.py",
    "@package@/__init__.py",
    "@package@/__pycache__/onehot.cpython-311.pyc",
    "@tests@/attacks/honest.py",
    "@tests@/../conftest.py",
    "@package@/../README.md",
    "@package@/../.git/HEAD",
):
    for way in (os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK | os.O_NOATIME):
        try:
            if os.read(os.open(path, way), 1):
                print("BEATEN: read", path)
        except OSError:
            pass
for fd in range(3, 64):
    try:
        for name in os.listdir(fd):
            os.open(name, os.O_RDONLY, dir_fd=fd)
            print("BEATEN: an open folder", fd)
            break
    except OSError:
        pass
