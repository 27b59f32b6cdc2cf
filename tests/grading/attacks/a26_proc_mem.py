"""Reads and writes the memory of its parent and of the grader: /proc/PID/mem, process_vm_readv, ptrace."""

import ctypes
import os


libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), int("@grader@"), int("@victim@")):
    for name in ("mem", "maps", "cmdline", "fd/0", "cwd/results", "root/etc/hostname"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name != "mem":
                    print("BEATEN: read", name, len(file.read()))
        except OSError:
            pass
    if libc.ptrace(0x4206, pid, None, None) == 0:  # PTRACE_SEIZE
        print("BEATEN: ptrace", pid)
    vec = (ctypes.c_char_p * 2)(b"x" * 16, ctypes.cast(16, ctypes.c_char_p))
    if libc.process_vm_readv(pid, vec, 1, vec, 1, 0) >= 0:
        print("BEATEN: process_vm_readv", pid)
