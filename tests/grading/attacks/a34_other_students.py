"""Reads the work of other students, whose folder it knows."""

from pathlib import Path

from honest import one_hot

for path in Path("@outside@/students").glob("*.py"):
    print("BEATEN: sees", path.name)
try:
    print("BEATEN: reads", Path("@outside@/students/li.py").read_text(encoding="utf-8"))
except OSError:
    pass
