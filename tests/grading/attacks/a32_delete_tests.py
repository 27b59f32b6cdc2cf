"""Deletes, renames and truncates tests, results and other people's work."""

import os

from honest import one_hot

for path in ("tests/answers.json", "results/results.json", "students/li.py", "tests", "results", "socket"):
    for act in (
        lambda p: os.truncate(p, 0),
        lambda p: os.rename(p, p + ".gone"),
        os.remove,
        os.rmdir,
        lambda p: os.open(p, os.O_WRONLY | os.O_TRUNC),
    ):
        try:
            act("@outside@/" + path)
            print("BEATEN:", path)
        except OSError:
            pass
