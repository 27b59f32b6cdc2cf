"""Plants files that the next student's run, the grader or its interpreter would load."""

import os
import site
import sys
from pathlib import Path

from honest import one_hot

OWN = os.getcwd()  # here it may write, if nobody finds it later
if os.listdir(OWN):
    print("BEATEN: there is still", os.listdir(OWN))
Path("d2lrnn_attack_planted.py").write_text("# planted\n", encoding="utf-8")
FOLDERS = ["/tmp", "/var/tmp", "/dev/shm", "@package@", "@tests@", "@outside@", sys.prefix, *sys.path]
FOLDERS += [*site.getsitepackages(), site.getusersitepackages(), os.path.dirname(os.__file__)]
for folder in FOLDERS:
    if os.path.abspath(folder) == OWN:
        continue
    for name in ("d2lrnn_attack_planted.py", "d2lrnn_attack_planted.pth", "__pycache__/d2lrnn_attack.pyc"):
        try:
            Path(folder, name).write_text("# planted\n", encoding="utf-8")
            print("BEATEN: planted", Path(folder, name))
        except OSError:
            pass
