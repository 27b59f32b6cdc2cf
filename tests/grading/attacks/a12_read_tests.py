"""Reads the tests, the cases with their seeds, and the answers from the disk."""

from pathlib import Path

from honest import one_hot

ANSWERS = ("@outside@/tests/answers.json", "@tests@/test_attacks.py", "@package@/grading/case.py")
for path in ANSWERS:
    try:
        Path(path).read_text(encoding="utf-8")
        print("BEATEN: read", path)
    except OSError:
        pass
for folder in ("@outside@/tests", "@tests@", "@package@/grading"):
    try:
        print("BEATEN: listed", folder, len(list(Path(folder).iterdir())) or 1 / 0)
    except (OSError, ZeroDivisionError):
        pass
