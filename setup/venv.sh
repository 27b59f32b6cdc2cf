#!/bin/sh
# Make the virtual environment .venv: sh setup/venv.sh [PYTHON]
# With the newest Python from 3.14 to 3.10 that can: of those on the PATH, then of pyenv's, then one that uv finds
# or fetches. `sh setup/venv.sh --list` makes nothing and names all that can, the one to take first.
set -u
newest_first="3.14 3.13 3.12 3.11 3.10"

# It runs (pyenv leaves commands on the PATH that do not), is new enough, and can make a venv.
can() {
    "$1" -c 'import sys, venv, ensurepip, ctypes, ssl; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

candidates() {
    for version in $newest_first; do command -v "python$version"; done
    for version in $newest_first; do ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; done
    for name in python3 python; do command -v "$name"; done
} 2>/dev/null

list_pythons() {
    candidates | while read -r python; do can "$python" && echo "$python"; done
}

# uv's own, or one that it fetches; it only finds it, for what uv puts into a venv comes from an index.
python_of_uv() {
    command -v uv >/dev/null || return
    uv python find '>=3.10,<3.15' 2>/dev/null || { uv python install 3.13 && uv python find 3.13; }
}

[ "${1:-}" = --list ] && { list_pythons; exit 0; }
python=${1:-$(list_pythons | head -n 1)}
python=${python:-$(python_of_uv)}
if [ -z "$python" ]; then
    cat >&2 <<'END'
There is no Python from 3.10 to 3.14 here that can make a virtual environment. Install one, then run make again:
    Debian, Ubuntu    sudo apt install python3-venv make libgomp1 libquadmath0
    Fedora            sudo dnf install python3 make libgomp libquadmath
    macOS (Intel)     brew install python@3.13
One that is not on the PATH can be named: make train PYTHON=/path/to/python3
END
    exit 2
fi
if ! can "$python"; then
    found=$("$python" --version 2>&1) || found="no Python that runs"
    echo "PYTHON=$python is $found: give the path of a Python from 3.10 to 3.14 that can make a venv" \
        "(Debian, Ubuntu: sudo apt install python3-venv)" >&2
    exit 2
fi
# What MXNet's library needs beside itself, asked before anything is fetched.
missing=$("$python" - <<'END'
import ctypes, platform, sys
for name in ("libgomp.so.1", "libquadmath.so.0"):
    try:
        if sys.platform == "linux" and (platform.machine() == "x86_64" or "gomp" in name):
            ctypes.CDLL(name)
    except OSError:
        print(name)
END
)
if [ -n "$missing" ]; then
    echo "MXNet needs $(echo $missing), which this system lacks: sudo apt install libgomp1 libquadmath0" \
        "(Fedora: sudo dnf install libgomp libquadmath)" >&2
    exit 2
fi
rm -rf .venv
"$python" -m venv .venv || exit
.venv/bin/python -c 'import platform, sys; print("Python", platform.python_version(), "of", sys.base_prefix)'
