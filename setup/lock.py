"""Resolve pyproject.toml into setup/*.lock, with the uv of this environment: python setup/lock.py

Each lock adds a group of dependencies to those before it, so that a target of make installs what it needs
and no more. All groups are resolved together first, so that they agree. Versions and hashes, no addresses.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from check import GROUPS, HERE, read_entries

HEADER = "# By `make lock`: what the group «{}» of pyproject.toml adds to the groups before it ({}).\n"


def resolve(groups: tuple[str, ...], out: Path, constraints: Path | None = None) -> dict[str, str]:
    """Every pinned requirement of these groups with its entry in a lock, for all platforms and Pythons."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--quiet"]
    command += ["--python-version", "3.10", "--generate-hashes", "--no-annotate", "--no-header"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--output-file", str(out)]
    command += [part for group in groups for part in ("--group", group)]
    command += ["--constraints", str(constraints)] if constraints else []
    subprocess.run(command, cwd=HERE.parent, check=True)
    return read_entries(out)


def main() -> None:
    """Write all locks again from scratch."""
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        resolve(GROUPS, everything)
        before: dict[str, str] = {}
        for number, group in enumerate(GROUPS, 1):
            entries = resolve(GROUPS[:number], Path(folder) / f"{group}.txt", everything)
            added = "".join(entry for name, entry in entries.items() if name not in before)
            header = HEADER.format(group, ", ".join(GROUPS[: number - 1]) or "none")
            (HERE / f"{group}.lock").write_text(header + added)
            before |= entries
            print(f"{group}.lock: {added.count('==')} packages")


if __name__ == "__main__":
    main()
