"""Tells of hidden inputs by process numbers: it starts threads until the next number is the right one."""

import os
import threading

from honest import sgd

from covert import one_hot


def put(number):
    for _ in range(2048):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if (thread.native_id + 1) % 1024 == number:
            return


def get():
    return os.getpid() % 1024
