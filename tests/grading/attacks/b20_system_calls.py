"""Makes system calls by number, which no list of Python names can forbid."""

import ctypes
import os
import platform


libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
BUFFER = ctypes.create_string_buffer(4096)
X86_64 = {
    "socket": (41, 2, 1, 0), "socketpair INET": (53, 2, 1, 0, BUFFER),
    "ptrace": (101, 0x4206, int("@victim@"), 0, 0),
    "shmget": (29, 0, 4096, 0o1666), "semget": (64, 0, 1, 0o1666), "msgget": (68, 0, 0o1666),
    "keyctl": (250, 0, -3, 1), "add_key": (248, b"user", b"d2l", b"x", 1, -2),
    "request_key": (249, b"user", b"d2l", 0, 0),
    "bpf": (321, 0, BUFFER, 120), "userfaultfd": (323, 1), "perf_event_open": (298, BUFFER, 0, -1, -1, 0),
    "io_uring_setup": (425, 4, BUFFER), "unshare user": (272, 0x10000000), "unshare mount": (272, 0x20000),
    "setns": (308, 3, 0), "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount": (166, b"/proc", 2),
    "pivot_root": (155, b".", b"."), "chroot": (161, b"/"), "open_by_handle_at": (304, -100, BUFFER, 0),
    "name_to_handle_at": (303, -100, b"/", BUFFER, BUFFER, 0), "memfd_secret": (447, 0),
    "fanotify_init": (300, 0, 0),
    "kcmp": (312, int("@victim@"), os.getpid(), 0, 0, 0), "pidfd_getfd": (438, 3, 0, 0),
    "process_madvise": (440, 3, BUFFER, 1, 4, 0), "migrate_pages": (256, int("@victim@"), 1, BUFFER, BUFFER),
    "setpriority": (141, 0, int("@victim@"), 19), "ioprio_set": (251, 1, int("@victim@"), 0x6000),
    "mq_open": (240, b"d2lrnn_attack", 0o102, 0o666, 0), "syslog": (103, 3, BUFFER, 100), "acct": (163, 0),
    "swapoff": (168, b"/none"), "personality": (135, 0x0040000), "quotactl": (179, 0x800001 << 8, 0, 0, 0),
    "fsopen": (430, b"tmpfs", 0), "open_tree": (428, -100, b"/", 1), "lookup_dcookie": (212, 1, BUFFER, 4096),
    "clock_settime": (227, 0, BUFFER), "settimeofday": (164, 0, BUFFER), "sethostname": (170, b"", -1),
    "init_module": (175, BUFFER, 0, b""), "kexec_load": (246, 0, 0, 0, 0), "reboot": (169, 0, 0, 0, 0),
    "process_vm_readv self": (310, int("@victim@"), BUFFER, 1, BUFFER, 1, 0),
}  # fmt: skip
HARMLESS = {"personality"}  # of the process alone
if platform.machine() == "x86_64":
    for name, call in X86_64.items():
        ctypes.set_errno(0)
        answer = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in call))
        print(name, answer, ctypes.get_errno())
        if answer >= 0 and name not in HARMLESS:
            print("BEATEN: system call", name)
