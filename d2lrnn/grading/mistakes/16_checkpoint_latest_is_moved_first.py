"""LATEST names the new checkpoint before it is written: killed in between, it names nothing"""

from d2lrnn.grading.mistakes import *

save_next = changed(
    "checkpoint",
    {
        "    save_checkpoint(path, arrays, facts)\n": "",
        "    for old in folder": "    save_checkpoint(path, arrays, facts)\n    for old in folder",
    },
).save_next
