"""Operators nested so deep that a compiler that recurses runs out of stack."""

# @ "x = " + "-" * 100_000 + "1\ny = " + "1+" * 50_000 + "1\nz = x" + ".a" * 50_000
