"""Tells of hidden inputs by the page cache: files that are in it are ones, files that are put out of it zeros.

It is read by four calls, whichever works.
"""

import ctypes
import glob
import mmap
import os

from honest import sgd

from covert import one_hot

FILES = sorted(glob.glob(os.path.dirname(os.__file__) + "/lib2to3/fixes/fix_*.py"))[:6]
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno())
    return result


def put(number):
    for i, name in enumerate(FILES):
        fd = os.open(name, os.O_RDONLY)
        if number >> i & 1:
            os.read(fd, 2**20)
        else:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def by_preadv2(fd):
    try:
        return os.preadv(fd, [bytearray(1)], 0, 8) == 1  # RWF_NOWAIT
    except BlockingIOError:
        return False


def by_mincore(fd):
    found = ctypes.create_string_buffer(1)
    libc.mmap.restype = ctypes.c_void_p
    start = libc.mmap(None, mmap.PAGESIZE, 1, 2, fd, 0)
    checked(libc.mincore(ctypes.c_void_p(start), mmap.PAGESIZE, found))
    return found[0][0] & 1


def by_cachestat(fd):
    counts = (ctypes.c_uint64 * 5)()
    checked(libc.syscall(451, fd, (ctypes.c_uint64 * 2)(0, 4096), counts, 0))
    return counts[0] > 0


def get():
    for way in (by_preadv2, by_mincore, by_cachestat):
        try:
            number = 0
            for i, name in enumerate(FILES):
                fd = os.open(name, os.O_RDONLY)
                number |= bool(way(fd)) << i
                os.close(fd)
            return number
        except OSError as error:
            print(way, error)
    return 0
