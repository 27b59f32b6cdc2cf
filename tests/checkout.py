"""The tracked files, as a clone would have them: changes that are not committed yet included."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked(folder: str = ".") -> list[str]:
    """Their names below a folder; none where git does not know it."""
    command = ["git", "ls-files", "-z", folder]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


def copy_checkout(folder: Path) -> Path:
    names = tracked()
    assert len(names) > 100
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder
