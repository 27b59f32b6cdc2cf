"""Changes modes, owners, times and attributes of files that it may not write."""

import os

from honest import one_hot

for path in ("tests/answers.json", "results/results.json", "students/li.py", "students", "."):
    path = "@outside@/" + path
    for act in (
        lambda p: os.chmod(p, 0),
        lambda p: os.chmod(p, 0o4777),
        lambda p: os.utime(p, (0, 0)),
        lambda p: os.chown(p, 65534, 65534),
        lambda p: os.setxattr(p, "user.attack", b"x"),
        lambda p: os.fchmod(os.open(p, os.O_PATH), 0),
    ):
        try:
            act(path)
            print("BEATEN:", path)
        except OSError:
            pass
