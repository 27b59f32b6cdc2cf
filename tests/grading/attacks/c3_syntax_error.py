"""Control: a file that is not Python is worth nothing, and named as such."""

# @ "def one_hot(:"
