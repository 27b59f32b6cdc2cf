"""The system calls that a worker may not make, as programs for the kernel's filter (seccomp; x86-64 only).

A program reads the number of each call, and compares it with these tables; what is not in them is allowed.
This is not what keeps files from a submission (Landlock and the root directory do that) but what they do not
cover.
"""

from __future__ import annotations

import struct

MACHINE = "x86_64"

# What an honest program might try is refused: PermissionError, which it can report ...
REFUSED = {
    "socket": 41, "socketpair": 53, "execve": 59, "execveat": 322,
    "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
    "pidfd_send_signal": 424, "pidfd_open": 434,
    # Landlock does not cover modes, owners, times and attributes, nor files without a name.
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
    "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
    "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "memfd_create": 319, "memfd_secret": 447,
    # Old kernels know no Landlock rule for these.
    "truncate": 76, "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259,
    # Shared memory, semaphores and queues outlive a process.
    "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67,
    "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
    "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
    # Priorities and places can be given to other processes too.
    "setpriority": 141, "ioprio_set": 251, "sched_setparam": 142, "sched_setscheduler": 144,
    "sched_setattr": 314, "sched_setaffinity": 203, "migrate_pages": 256, "move_pages": 279,
    "inotify_init": 253, "inotify_init1": 294, "fanotify_init": 300, "fanotify_mark": 301, "personality": 135,
    # What is in the page cache, and what is not, can be set by one call and read by another; as can mounts.
    "preadv2": 327, "pwritev2": 328, "mincore": 27, "cachestat": 451, "fadvise64": 221, "readahead": 187,
    "sync": 162, "syncfs": 306, "sync_file_range": 277, "statmount": 457, "listmount": 458,
}  # fmt: skip

# ... and what no honest program tries ends it, by a signal that the grader sees.
FATAL = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312,
    "process_madvise": 440, "process_mrelease": 448,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "mount_setattr": 442, "name_to_handle_at": 303, "open_by_handle_at": 304, "quotactl": 179,
    "quotactl_fd": 443, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "add_key": 248, "request_key": 249, "keyctl": 250,
    "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246,
    "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "syslog": 103,
    "vhangup": 153, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "modify_ldt": 154,
}  # fmt: skip

OTHERS = {
    "ioctl": 16, "clone": 56, "fork": 57, "vfork": 58, "fcntl": 72, "prctl": 157, "prlimit64": 302,
    "clone3": 435, "lsm_list_modules": 461, "madvise": 28,
    "sysinfo": 99, "statfs": 137, "fstatfs": 138, "ustat": 136,
}  # fmt: skip

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_LOAD, _RETURN, _EQUALS, _AT_LEAST, _HAS_ANY = 0x20, 0x06, 0x15, 0x35, 0x45
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # where they lie in what the kernel shows to a program
_Step = tuple[int, int, int, int]  # code, steps to jump if true, if false, operand


def _on_call(name: str, action: int) -> list[_Step]:
    """If it is this call, return action."""
    number = {**REFUSED, **FATAL, **OTHERS}[name]
    return [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, action)]


def _on_argument(name: str, argument: int, test: int, operand: int, refuse_if: bool = True) -> list[_Step]:
    """If it is this call, and its argument passes the test (or fails it: refuse_if), refuse it.

    Only the lower half of the argument is looked at; the kernel does no more with those that are tested here.
    """
    return [
        (_EQUALS, 0, 4, OTHERS[name]),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        (test, *((0, 1) if refuse_if else (1, 0)), operand),
        (_RETURN, 0, 0, EPERM),
        (_LOAD, 0, 0, _NUMBER),
    ]


def _program(*rules: list[_Step]) -> bytes:
    """Return the rules as a program, after the checks that give the numbers their meaning."""
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUALS, 1, 0, 0xC000003E),  # x86-64: a call of 32 bits has other numbers
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, 0x40000000),  # x32: yet other numbers
        (_RETURN, 0, 0, KILL),
        (_AT_LEAST, 0, 1, OTHERS["lsm_list_modules"] + 1),  # newer than this table
        (_RETURN, 0, 0, ENOSYS),
        *(step for rule in rules for step in rule),
        (_RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


# On the worker from the start, and so on all its forks.
FOR_ALL = _program(
    *(_on_call(name, EPERM) for name in REFUSED),
    *(_on_call(name, KILL) for name in FATAL),
    _on_call("clone3", ENOSYS),  # its flags lie in memory, where we cannot see them: libc goes back to clone
    _on_argument("clone", 0, _HAS_ANY, 0x7E020000),  # CLONE_NEW...: a namespace
    _on_argument("prlimit64", 0, _EQUALS, 0, refuse_if=False),  # the limits of another process
    # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
    *(_on_argument("fcntl", 1, _EQUALS, command) for command in (8, 10, 15, 1024, 1026)),
    _on_argument("madvise", 2, _EQUALS, 12),  # MADV_MERGEABLE: how fast a page is written tells who has it
    _on_argument("madvise", 2, _AT_LEAST, 20),  # MADV_COLD, MADV_PAGEOUT and newer ones
    _on_argument("prctl", 0, _EQUALS, 67),  # PR_SET_MEMORY_MERGE
    *(_on_argument("ioctl", 1, _EQUALS, command) for command in (0x8901, 0x8902)),  # and the same by ioctl
    *(_on_argument("ioctl", 1, _EQUALS, command) for command in (0x5412, 0x541C)),  # typing into a terminal
    _on_argument("ioctl", 1, _AT_LEAST, 0x10000),  # what drivers and file systems have invented: chattr
)

# On the process of a call besides. It may start threads, but no process: so none can stay behind. How much of
# the machine is free is nothing to it: others have left it so.
FOR_A_CALL = _program(
    _on_call("fork", EPERM),
    _on_call("vfork", EPERM),
    _on_argument("clone", 0, _HAS_ANY, 0x00010000, refuse_if=False),  # CLONE_THREAD
    _on_argument("prctl", 0, _EQUALS, 1),  # PR_SET_PDEATHSIG: to outlive the worker
    *(_on_call(name, EPERM) for name in ("sysinfo", "statfs", "fstatfs", "ustat")),
)
