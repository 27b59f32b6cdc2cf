"""How the grader loads mxnet, on both sides of the jail."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if "d2lrnn" not in sys.modules:  # in a worker, which is run by path: a submission must not see the package
    runpy.run_path(str(Path(__file__).parents[1] / "compat.py"))["install"]()


def load_mxnet() -> None:
    """Import mxnet without scipy and onnx: a third of the time that it takes, for what no lesson needs.

    Others can import them afterwards. For a process of our own: mxnet will not find them again.
    """
    hidden = [name for name in ("scipy", "onnx") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import mxnet  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
