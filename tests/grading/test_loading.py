"""Both sides of the jail load mxnet in the same way."""

import subprocess
import sys

import pytest

LOAD = """
import sys
from d2lrnn.grading.loading import load_mxnet

load_mxnet()
assert "mxnet" in sys.modules
assert "onnx" not in sys.modules
import mxnet, onnx

load_mxnet()
assert sys.modules["onnx"] is onnx
assert mxnet.nd.ones(2).sum().asscalar() == 2
"""


@pytest.mark.slow
def test_mxnet_is_loaded_alone_and_others_can_be_imported_afterwards() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", LOAD], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
