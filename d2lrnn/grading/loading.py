"""How the grader loads mxnet, on both sides of the jail."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if "d2lrnn" not in sys.modules:  # in a worker, which is run by path: a submission must not see the package
    runpy.run_path(str(Path(__file__).parents[1] / "compat.py"))["install"]()


def load_mxnet() -> None:
    """Import mxnet without onnx, which takes a third of the time and which no lesson needs.

    Others can import it afterwards. For a process of our own: mxnet will not find it again.
    """
    is_hidden = "onnx" not in sys.modules
    if is_hidden:
        sys.modules["onnx"] = None  # type: ignore[assignment]
    try:
        import mxnet  # noqa: F401
    finally:
        if is_hidden:
            del sys.modules["onnx"]
