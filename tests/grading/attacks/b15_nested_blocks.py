"""Blocks and functions nested until the parser gives up, and an f-string in an f-string."""

# @ "\n".join(" " * n + "if 1:" for n in range(1000)) + " " * 1001 + "pass"
