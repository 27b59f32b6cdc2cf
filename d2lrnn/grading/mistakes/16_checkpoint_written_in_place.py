"""the checkpoint is written under its final name: a kill on the way leaves half of it there. Write it
under another name beside it, and rename it when it is whole"""

import json

import numpy as np

from d2lrnn import *
from d2lrnn.checkpoint import _sum, _sync


def save_checkpoint(path, arrays, facts):
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    values = {name: array.asnumpy() for name, array in arrays.items()}
    path.mkdir()
    np.savez(path / "arrays.npz", **values)
    (path / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    manifest = {
        "format": 2,
        "files": {name: _sum(path / name) for name in ("arrays.npz", "facts.json")},
        "arrays": {name: {"shape": a.shape, "dtype": a.dtype.name} for name, a in values.items()},
    }
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    _sync(path)
