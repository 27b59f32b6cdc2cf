"""Draw the GRU and the LSTM piece by piece: from the whole drawing, the stages that lead up to it.

    python -m book.stages

A drawing that is built up has its parts in groups, <g id="gates"> and so on, in the order of the text. A
stage shows the groups up to its own, and those before it faded: gru-cell.svg makes gru-gates.svg and
gru-candidate.svg. A test holds the stages to their drawing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "chapters" / "figures"
DRAWINGS = ("gru-cell.svg", "lstm-cell.svg")


def stages(drawing: Path) -> dict[str, str]:
    """The stages of a drawing but the last, which is the drawing itself: file name and text of each."""
    head, *groups = re.split(r"^(?=  <g id=)", drawing.read_text(encoding="utf-8"), flags=re.M)
    made = {}
    for i, group in enumerate(groups[:-1]):
        name, title = re.findall(r'<g id="(.*?)">|<title>(.*?)</title>', group)[:2]
        before = [text.replace("<g ", '<g opacity="0.4" ', 1) for text in groups[:i]]
        own_head = re.sub(r"<title>.*?</title>", f"<title>{title[1]}</title>", head)
        file_name = f"{drawing.stem.partition('-')[0]}-{name[0]}.svg"
        made[file_name] = "".join([own_head, *before, group, "</svg>\n"])
    return made


def main() -> int:
    """Write the stages beside their drawings."""
    for drawing in DRAWINGS:
        for name, text in stages(FIGURES / drawing).items():
            (FIGURES / name).write_text(text, encoding="utf-8")
            print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
