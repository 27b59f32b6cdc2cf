"""Makes namespaces of its own, in which it is root, and mounts over what the grader reads: unshare, clone,
clone3.
"""

import ctypes
import os
import platform


libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
if os.fork() == 0:
    print("BEATEN: unshare" if libc.unshare(0x10000000 | 0x20000) == 0 else "refused", flush=True)
    os._exit(0)
os.wait()
if platform.machine() == "x86_64":
    for name, arguments in {
        "clone": (56, 0x10000000 | 17, 0, 0, 0, 0),
        "clone3": (435, (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88),
    }.items():
        pid = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
        if pid == 0:
            os._exit(0)
        if pid > 0:
            print("BEATEN:", name)
            os.waitpid(pid, 0)
