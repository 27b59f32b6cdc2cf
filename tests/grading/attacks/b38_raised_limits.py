"""Raises its own limits, changes its user, takes back what was taken away."""

import contextlib
import ctypes
import os
import resource

from honest import one_hot

for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_CORE"):
    kind = getattr(resource, name)
    soft, hard = resource.getrlimit(kind)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (hard, hard))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if hard != resource.RLIM_INFINITY:
            print("BEATEN: raised", name)
for change in (os.setuid, os.setgid, os.seteuid):
    with contextlib.suppress(OSError):
        before = os.getuid(), os.getgid(), os.geteuid()
        change(0)
        if before[:2] != (0, 0):
            print("BEATEN:", change.__name__)
libc = ctypes.CDLL(None)
if libc.prctl(39, 0, 0, 0, 0) != 1:  # PR_GET_NO_NEW_PRIVS
    print("BEATEN: may gain privileges by exec")
if os.geteuid() == 0 and os.access("/etc/shadow", os.R_OK):
    print("BEATEN: is root")
