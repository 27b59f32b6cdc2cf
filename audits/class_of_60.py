"""How long a class of 60 takes, and whether each gets the right grade: python audits/class_of_60.py [-j N]

12 have everything right, 24 have one known mistake (grading/mistakes) in work that is right otherwise, 14
have written the first lessons only, 6 hand in notebooks, and 4 files are broken.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import d2lrnn
from d2lrnn import CHAPTERS
from d2lrnn.grading.lent_code import source_of
from d2lrnn.grading.mistakes import FILES, load

ROOT = Path(__file__).resolve().parent.parent


def right(num_lessons: int = len(CHAPTERS)) -> str:
    """Our own code of the first lessons as one file."""
    parts: dict[str, list[tuple[str, str]]] = {}  # three of our modules have a _read, and it is not the same
    for lesson, names in list(CHAPTERS.values())[:num_lessons]:
        for name in names.split():
            part = lesson if name == "load_corpus" or lesson in ("bptt", "concise") else "others"
            parts.setdefault(part, []).append((lesson, name))
    texts = [re.sub(r"\b_read\(", f"_read_{part}(", source_of(names)) for part, names in parts.items()]
    future = "from __future__ import annotations\n"
    text = future + "".join(text.replace(future, "") for text in texts)
    return text.replace("Path(__file__)", 'Path("corpora.py")')  # a submission has no file


def wrong(mistake: str) -> str:
    """The functions whose own source contains the mistake, if any."""
    functions = [
        f for f in vars(load(mistake)).values() if inspect.isfunction(f) and hasattr(d2lrnn, f.__name__)
    ]
    texts = {inspect.getsource(f) for f in functions}
    return "".join(texts - {inspect.getsource(getattr(d2lrnn, f.__name__)) for f in functions})


def submissions() -> dict[str, bytes]:
    """Name of the file -> what it holds."""
    texts = {f"right_{i:02}.py": f"{right()}\n# {i}\n" for i in range(12)}
    mistakes = {path.name: wrong(path.stem) for path in FILES}
    names = [name for name, text in mistakes.items() if text]
    for name in names[:: len(names) // 24][:24]:
        texts[f"mistake_{name}"] = right() + mistakes[name]
    texts |= {f"partial_{i:02}.py": right(3 + i % 7) for i in range(14)}
    for i in range(6):
        cells = [
            {"cell_type": "code", "source": text} for text in ("%matplotlib inline", right(6 + i), "oops()")
        ]
        texts[f"notebook_{i}.ipynb"] = json.dumps({"cells": cells})
    texts |= {
        "broken_empty.py": "",
        "broken_prose.py": "Dear professor,\n",
        "broken_cells.ipynb": '{"cells": []}',
    }
    return {name: text.encode() for name, text in texts.items()} | {"broken_bytes.py": b"\xff\xfe\0" * 99}


def main() -> None:
    """Make the class, grade it, print how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-j", "--jobs", default="2")
    with tempfile.TemporaryDirectory() as work:
        folder, out = Path(work) / "class", Path(work) / "out"
        folder.mkdir()
        found = submissions()
        for name, data in found.items():
            (folder / name).write_bytes(data)
        command = [
            sys.executable,
            "-m",
            "d2lrnn.grade",
            str(folder),
            "--out",
            str(out),
            "-j",
            parser.parse_args().jobs,
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT)
        seconds = time.perf_counter() - start
        with (out / "grades.csv").open(encoding="utf-8") as file:
            scores = {
                row["submission"]: float(row["score"]) / float(row["max_score"])
                for row in csv.DictReader(file)
            }
    for kind in ("right", "mistake", "partial", "notebook", "broken"):
        group = [score for name, score in scores.items() if name.startswith(kind)]
        print(f"{kind:9} {len(group):3} scores from {min(group):6.1%} to {max(group):6.1%}")
    assert all((score == 1) == name.startswith("right") for name, score in scores.items())
    print(f"{len(found)} submissions in {seconds:.0f} s, {seconds / len(found):.1f} s each")


if __name__ == "__main__":
    main()
