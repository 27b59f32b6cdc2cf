"""Searches living objects, interned names and file caches for other students' files and other calls'
inputs.
"""

import gc
import linecache
import sys

from honest import one_hot

MARK = "@earlier@"
seen = set()
todo = [gc.get_objects(), sys.modules, linecache.cache, [f for f in sys._current_frames().values()]]
while todo and len(seen) < 60_000:
    thing = todo.pop()
    if id(thing) in seen:
        continue
    seen.add(id(thing))
    if isinstance(thing, (str, bytes)):
        if MARK in (thing if isinstance(thing, bytes) else thing.encode(errors="replace")).hex():
            print("BEATEN: found an earlier submission in", type(thing))
    elif thing is not seen and thing is not todo:
        todo.extend(gc.get_referents(thing)[:5000])
