"""Submissions that cheat, hang or destroy, put through the real marking: who succeeds?

    python -m audits.attacks                      every attack in every tier; writes attacks.md, too
    python -m audits.attacks --tier user a04 b03  some of them, to the terminal only

What an attack is, and when it succeeds: arena.py.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from audits.arena import ATTACKS, ROOT, TIERS, Examiner, Finding, LackingError, names

# x: the attack succeeded, .: it was held, a letter for each of PEERS. Published figures, not measured here.
PEERS = (
    "pytest", "gradescope-utils", "otter-grader", "nbgrader",
    "PrairieLearn", "PrairieLearn v2", "v2 hardened",
)  # fmt: skip
AT_PEERS = {
    "a01": ".......", "a02": "x......", "a03": "x......", "a04": "xxx....", "a05": "xxx..xx",
    "a06": "xxxxxxx", "a07": "xxxxx..", "a08": "xxx....", "a09": "xxxxx..", "a10": "xxxxx..",
    "a11": "xxxxx..", "a12": "xxxx.x.", "a13": "xxxxxxx", "a14": ".x.xx..", "a15": "xxxxxxx",
    "a16": "x......", "a17": "xxxxx..", "a18": ".xxxx..", "a19": "xxxxx..", "a20": "..x....",
    "a22": "xxxxx..", "a23": "..xx...", "a24": "xxxxxxx", "a25": "xxxxxxx", "a26": "..xx...",
    "a27": ".....xx", "a28": "..xx...", "a29": ".......", "a30": ".......", "a31": "xxxxxxx",
    "a32": "xxxx...", "a33": ".......", "a34": "...x...", "a35": ".......", "a36": ".......",
    "a37": "...x...", "a39": ".xx....", "a40": "xx..xxx", "a41": "xxxx...", "a42": "..xx...",
    "a43": "xxxxx..",
}  # fmt: skip
INTRO = """# Attacks

Submissions that cheat, hang or destroy, and what they reached: `python -m audits.attacks` makes this
page anew (about {minutes:.0f} minutes). **x**: it gained points that it had not earned, learned what is
hidden, left something behind, or harmed the grader or others. A dot: it was held. **lost**: it was held, but
points that it had earned were lost. –: not tried there.

{tiers}

The columns to the right are published figures, measured elsewhere with attacks of the same descriptions on a
numpy assignment of three functions: pytest judged by its exit status, gradescope-utils 0.5.0, otter-grader
7.0.0 (`otter run`), nbgrader 0.9.6, PrairieLearn's Python grader (August 2026), pytest-prairielearn-grader
0.3.1 (v2) as it comes, and with its list of imports and tests that only root can read. Some of these usually
run in a container, which bounds hangs, memory, disk and network, but not points and leaks.

The decoder of the answers, fed with broken messages (`python tests/grading/test_wire.py 1000000`):

```
{fuzz}
```

"""


def table(findings: Iterable[Finding]) -> str:
    """All findings beside what others measured, as Markdown."""
    of = {(finding.name, finding.tier): finding for finding in findings}
    tiers = [tier for tier in TIERS if any(known == tier for _, known in of)]
    rows = []
    for name in names(("a", "b")):
        peers = [{"x": "**x**", ".": "·"}[mark] for mark in AT_PEERS.get(name[:3], "")] or ["–"] * len(PEERS)
        rows.append([name.replace("_", " "), *(_mark(of[name, tier]) for tier in tiers), *peers])
    counts = ["**succeeded / tried**"]
    for column in list(zip(*rows))[1:]:
        tried = [cell for cell in column if cell != "–"]
        counts.append(f"**{tried.count('**x**')} / {len(tried)}**")
    lost = [sum(bool(of[name, tier].lost) for name in names()) for tier in tiers if tier != "naive"]
    rows += [
        counts,
        ["**lost what they had earned**", *map(str, lost), *["–"] * (len(counts) - len(lost) - 1)],
    ]
    head = ["attack", *tiers, *PEERS]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---", *[":-:"] * (len(head) - 1)], *rows]]
    said = []
    for name in names():
        found = of.get((name, "minimal"))
        if found and found.successes:
            kinds = {re.sub(r"\S*[/\d]\S*", "…", what.removeprefix("BEATEN: ")) for what in found.successes}
            said.append(f"- {name.replace('_', ' ')}: {'; '.join(sorted(kinds))}")
    return "\n".join([*lines, "", "What succeeds in the tier minimal:", "", *said, ""])


def _mark(finding: Finding) -> str:
    if finding.successes:
        return "**x**"
    return "lost" if finding.lost and finding.tier != "naive" else "·"


def examine(tiers: Iterable[str], chosen: Iterable[str]) -> Iterator[Finding | str]:
    """Report what is in force in each tier, and run the attacks against its grader, one by one."""
    for tier in tiers:
        try:
            with Examiner(tier) as examiner:
                yield f"- {tier}: {TIERS[tier]}; in force: {examiner.isolation}"
                for name in chosen:
                    yield examiner.put(name)
        except LackingError as error:
            yield f"- {tier}: not available here: {error}"


def main(argv: list[str] | None = None) -> int:
    """Run attacks and print each outcome; if all were run, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help="beginnings of names (default: all)")
    parser.add_argument("--tier", action="append", choices=TIERS, help="default: all that can be had here")
    options = parser.parse_args(argv)
    started, tiers, findings = time.monotonic(), [], []
    for found in examine(options.tier or TIERS, names(options.attacks)):
        if isinstance(found, str):
            tiers.append(found)
            print(found, flush=True)
            continue
        findings.append(found)
        verdict = "; ".join(found.successes) or "held"
        lost = f"  LOST {', '.join(found.lost)}" if found.lost else ""
        print(f"{found.tier:8}{found.name:32}{found.seconds:5.1f} s  {verdict}{lost}", flush=True)
    if not options.tier and not options.attacks:
        fuzz = subprocess.run(
            [sys.executable, ATTACKS.parent / "test_wire.py", "1000000"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        minutes = (time.monotonic() - started) / 60
        text = INTRO.format(minutes=minutes, tiers="\n".join(tiers), fuzz=fuzz.strip()) + table(findings)
        print(text)
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
