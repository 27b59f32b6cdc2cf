# Where d2lrnn, this book's package, is missing (as on Colab and Kaggle), this cell installs it and MXNet.
import glob
import importlib.util
import subprocess
import sys

wheel = ""  # its address; empty: the file d2lrnn-….whl beside this notebook
if importlib.util.find_spec("d2lrnn") is None:
    wheel = wheel or max(glob.glob("d2lrnn-*.whl"), default="")
    if not wheel:
        raise FileNotFoundError("d2lrnn is not installed: put its wheel, d2lrnn-….whl, beside this notebook")
    print(f"Installing {wheel} and MXNet: about a minute")
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-warn-conflicts"]
    subprocess.run([*pip, "--no-deps", "mxnet==1.9.1"], check=True)  # its metadata asks for an old NumPy
    subprocess.run([*pip, wheel], check=True)
    importlib.invalidate_caches()
