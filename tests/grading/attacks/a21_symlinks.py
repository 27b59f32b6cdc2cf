"""Lays links where the grader may write or read next: its results, its working folder, /tmp."""

import os

from honest import one_hot

for folder in ("@outside@/results", "/tmp", "/dev/shm"):
    for make in (os.symlink, os.link):
        try:
            make("@outside@/tests/answers.json", os.path.join(folder, "d2lrnn_attack_link"))
            print("BEATEN: linked in", folder)
        except OSError:
            pass
