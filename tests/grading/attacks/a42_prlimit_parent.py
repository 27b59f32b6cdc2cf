"""Sets limits, priorities and processors of its parent, of the grader, and of a stranger."""

import os
import resource

from honest import one_hot

for pid in {os.getppid(), int("@grader@"), int("@victim@")} - {0, 1}:
    for act in (
        lambda p: resource.prlimit(p, resource.RLIMIT_NOFILE, (8, 8)),
        lambda p: resource.prlimit(p, resource.RLIMIT_CPU, (1, 1)),
        lambda p: os.sched_setaffinity(p, {0}),
        lambda p: os.setpriority(os.PRIO_PROCESS, p, 19),
        lambda p: os.sched_setscheduler(p, os.SCHED_IDLE, os.sched_param(0)),
        lambda p: os.setpgid(p, p),
    ):
        try:
            act(pid)
            print("BEATEN:", pid)
        except OSError:
            pass
