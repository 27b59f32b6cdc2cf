"""Ends the process while it is imported, past every `except` and `finally`."""

import os

os._exit(0)
