"""The manifest's sums are written and never read: a flipped bit comes back as a number."""

import json

from d2lrnn import *
from d2lrnn.checkpoint import _read_arrays


def load_checkpoint(path, ctx=None):
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        if manifest["format"] != 2:
            raise ValueError(f"format {manifest['format']}, and this version reads format 2")
        facts = json.loads((path / "facts.json").read_bytes())
        return _read_arrays(path / "arrays.npz", manifest["arrays"], ctx), facts
    except Exception as error:
        raise ValueError(f"{path}: no whole checkpoint ({error})") from None
