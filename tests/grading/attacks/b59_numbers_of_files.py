"""Tells of hidden inputs by the numbers that a file system gives to new files, with and without names."""

import os

from honest import sgd

from covert import one_hot


def new_number():
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
    except OSError:
        fd = os.open("new", os.O_CREAT | os.O_RDWR)
        os.unlink("new")
    number = os.fstat(fd).st_ino
    os.close(fd)
    return number


def put(number):
    for _ in range(2048):
        if (new_number() + 1) % 1024 == number:
            return


def get():
    return new_number() % 1024
