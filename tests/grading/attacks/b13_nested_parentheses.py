"""A hundred thousand open parentheses: parsers have limits."""

# @ "(" * 100_000 + ")" * 100_000
