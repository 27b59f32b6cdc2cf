"""The Pythons that there are, as setup/venv.sh finds them: version -> path, oldest first."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSION = "import platform; print(platform.python_version())"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _find() -> dict[str, str]:
    command = ["sh", "setup/venv.sh", "--list"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    paths: dict[str, str] = {}
    for path in [*filter(None, found), str(Path(sys.base_prefix) / "bin" / "python3")]:
        version = subprocess.run([path, "-c", VERSION], capture_output=True, text=True).stdout
        paths.setdefault(".".join(version.split(".")[:2]), path)
    return dict(sorted(paths.items(), key=lambda item: int(item[0].split(".")[1])))


PYTHONS = _find()
OTHERS = [version for version in PYTHONS if version != HERE]
NEWEST = list(PYTHONS.values())[-1]
