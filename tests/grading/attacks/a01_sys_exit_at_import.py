"""Ends Python while it is imported, with the exit status of success."""

import sys

sys.exit(0)
