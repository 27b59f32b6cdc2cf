"""Corpora and zips from an enemy, changed as coverage suggests: each is read correctly or refused."""

from __future__ import annotations

import json
from pathlib import Path

from audits.fuzzing import fuzz_corpora

from .figures import Figure

MINUTES = 20


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """Run the fuzzer of audits/fuzzing.py for size times 20 minutes."""
    minutes = MINUTES * size
    found = fuzz_corpora(minutes, seed)
    if found["findings"]:
        print(json.dumps(found["findings"], indent=2))
    guide = "atheris" if found["engine"] == "atheris" else "our own count of lines: atheris is not installed"
    bad = ("tracebacks", "wrong_answers", "signals", "hangs")
    return [
        Figure(
            f"inputs, guided by {guide}",
            f"≥ {minutes:g} minutes",
            f"{found['minutes']:g} minutes, {found['inputs']:,} inputs, {found['read']:,} of them read",
            found["minutes"] >= minutes,
        ),
        *(Figure(name.replace("_", " "), "0", str(found[name]), not found[name]) for name in bad),
    ]
