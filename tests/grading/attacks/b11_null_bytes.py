"""A null byte in the source: Python refuses it, and so must the grader, in words."""

# @ "x = '\0'"
