"""An autograder for Gradescope: a zip of this package, a seed, points, and the two scripts that it requires.

setup.sh runs once, when the image is built; run_autograder runs for every submission and leaves
results/results.json. Both take their folder from AUTOGRADER_ROOT, /autograder if it is not set.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..corpora import OURS, PACKAGE, PACKED_CORPORA, shipped
from ..messages import TABLE

SETUP = """\
#!/usr/bin/env bash
# Once, while the image is built. Any Python from 3.10 on will do: Ubuntu 22.04 and later have one.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv libgomp1 libquadmath0
python3 -m venv "$root/venv"
"$root/venv/bin/pip" install --no-cache-dir --no-deps --require-hashes --only-binary :all: \\
    --requirement "$root/source/requirements.txt"
chmod 600 "$root/source/seed"
"""
RUN = """\
#!/usr/bin/env bash
# For every submission. What a student has handed in is read as text and run in a sandbox.
set -euo pipefail
root="${{AUTOGRADER_ROOT:-/autograder}}"
python="${{AUTOGRADER_PYTHON:-$root/venv/bin/python}}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export PYTHONPATH="$root/source" PYTHONDONTWRITEBYTECODE=1
# It lists earlier submissions: each attempt gets hidden inputs of its own.
attempt=()
if [ -e "$root/submission_metadata.json" ]; then attempt=(--attempt "$root/submission_metadata.json"); fi
"$python" -m d2lrnn.grade "$root/submission" --single --out "$work" \\
    --seed "$root/source/seed" --points "$root/source/points.toml" {options} "${{attempt[@]}}"
mkdir -p "$root/results"
mv "$work"/feedback/*/results.json "$root/results/results.json"
"""


def write_autograder(
    path: Path, seed: int, points: str, lessons: Sequence[str] | None, isolation: str
) -> None:
    """Write the zip. points: what write_points gave. lessons: as named on the command line, None for all."""
    options = f"--isolation {isolation} --jobs 1"
    if lessons:
        options += f" --lesson {' '.join(lessons)}"
    texts = {
        "setup.sh": SETUP,
        "run_autograder": RUN.format(options=options),
        "requirements.txt": shipped("setup/train.lock").read_text("utf-8"),
        "points.toml": points,
        "seed": f"{seed}\n",
        "d2lrnn/messages_zh.txt": TABLE.read_text("utf-8"),
    }
    files = [file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".toml") and file.is_file()]
    texts |= {f"d2lrnn/{file.relative_to(PACKAGE).as_posix()}": file.read_text("utf-8") for file in files}
    contents = {name: text.encode() for name, text in texts.items()}
    corpora = [OURS, *(shipped(corpus.file) for corpus in PACKED_CORPORA.values())]
    contents |= {f"d2lrnn/data/{file.name}": file.read_bytes() for file in corpora}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            info = zipfile.ZipInfo(name)  # without a date: the same course gives the same archive
            mode = 0o755 if content.startswith(b"#!") else 0o600 if name == "seed" else 0o644
            info.external_attr = (stat.S_IFREG | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
