"""Kills, or at least stops, the process that started it, the grader, and a stranger of the same user."""

import os
import signal

from honest import one_hot


def strike(number):
    for pid in {os.getppid(), int("@grader@"), int("@victim@")} - {0, 1}:
        for way in (os.kill, lambda p, n: signal.pidfd_send_signal(os.pidfd_open(p), n)):
            try:
                way(pid, number)
            except OSError as error:
                print(pid, error)


def grad_clipping(params, theta):
    strike(signal.SIGSTOP)


def sgd(params, lr):
    strike(signal.SIGKILL)
