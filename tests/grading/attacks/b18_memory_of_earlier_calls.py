"""Searches all of its own memory for what the parent read before: other students' files, other calls' inputs.

The grader has marked a file with a mark in it just before. A worker that reads questions and then forks
passes its memory on.
"""

import binascii

from honest import one_hot

MARK = b"@earlier@"  # in hexadecimal, so that it is not found where this file itself lies
try:
    with open("/proc/self/maps", encoding="utf-8") as file:
        areas = [line.split() for line in file if " rw" in line or "heap" in line or "stack" in line]
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for area in areas:
            start, end = (int(number, 16) for number in area[0].split("-"))
            for at in range(start, min(end, start + 2**26), 2**20):
                try:
                    memory.seek(at)
                    found = memory.read(2**20 + 64)
                except (OSError, ValueError, OverflowError):
                    continue
                if MARK in binascii.hexlify(found):
                    print("BEATEN: found an earlier submission at", hex(at))
except OSError as error:
    print(error)
