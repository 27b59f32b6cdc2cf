"""Say which requirements the locks do not meet on this Python: python setup/check.py [GROUP]

Nothing is resolved when a lock is installed, so a lock must be whole: beginning with pyproject.toml, every
requirement of every package, its extras and markers counted in, is met by a version in the lock of its group
or of a group before it. What [tool.uv] in pyproject.toml overrides is excepted. GROUP: the last one (dev).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
GROUPS = ("train", "notebook", "book", "test", "dev")


def read_project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))


def read_entries(lock: Path) -> dict[str, str]:
    """Every pinned requirement of a lock, for all platforms and Pythons, with the lines of its entry."""
    entries = re.findall(r"(?m)^[^\s#].*\n(?: .*\n)*", lock.read_text("utf-8"))
    return {entry.partition(" \\\n")[0]: entry for entry in entries}


def read_lock(group: str) -> dict[Requirement, list[str]]:
    """The same of the lock of a group, with the hashes."""
    entries = read_entries(HERE / f"{group}.lock").items()
    return {Requirement(pinned): re.findall(r"--hash=(\S+)", entry) for pinned, entry in entries}


def locked_here(groups: tuple[str, ...]) -> dict[str, str]:
    """Name -> version of what these locks hold for this platform and Python."""
    requirements = [requirement for group in groups for requirement in read_lock(group)]
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate()
    }


def unmet(project: dict[str, Any], groups: tuple[str, ...]) -> Iterator[str]:
    """One line for each requirement that these locks, one after the other, do not meet."""
    stated = map(Requirement, project["tool"]["uv"]["override-dependencies"])
    overrides = {canonicalize_name(requirement.name): requirement for requirement in stated}
    locked: dict[str, str] = {}
    for group in groups:
        locked |= locked_here((group,))
        wanted = [("pyproject.toml", Requirement(line)) for line in project["project"]["dependencies"]]
        wanted += [(f"group {group}", Requirement(line)) for line in project["dependency-groups"][group]]
        seen: set[tuple[str, frozenset[str]]] = set()
        while wanted:
            whose, requirement = wanted.pop()
            name = canonicalize_name(requirement.name)
            requirement = overrides.get(name, requirement)
            if requirement.marker and not requirement.marker.evaluate():
                continue
            if name not in locked or not requirement.specifier.contains(locked[name], prereleases=True):
                found = locked.get(name, "none")
                yield f"{group}.lock: {whose} asks for {requirement}, and {found} is locked"
            elif (name, frozenset(requirement.extras)) not in seen:
                seen.add((name, frozenset(requirement.extras)))
                try:
                    wanted += [(name, found) for found in _requires(name, requirement.extras)]
                except metadata.PackageNotFoundError:
                    yield f"{group}.lock: {name} is not installed here"


def _requires(name: str, extras: set[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, metadata.requires(name) or []):
        markers = [{"extra": extra} for extra in sorted(extras)] or [{"extra": ""}]
        if not requirement.marker or any(requirement.marker.evaluate(marker) for marker in markers):
            yield Requirement(f"{requirement.name}{_bracketed(requirement.extras)}{requirement.specifier}")


def _bracketed(extras: set[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


def main() -> int:
    """Print what is not met; 1 if there is anything."""
    last = sys.argv[1] if len(sys.argv) > 1 else GROUPS[-1]
    groups = GROUPS[: GROUPS.index(last) + 1]
    lines = list(unmet(read_project(), groups))
    print("\n".join(lines) or f"whole: {len(locked_here(groups))} packages of {', '.join(groups)}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
