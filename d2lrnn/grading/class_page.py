"""class.html, for the instructor: how the class did, in numbers and plots, and what needs a person."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import CHAPTERS
from .case import question
from .cases import CASES
from .marking import Marks, Outcome, Points, by_function
from .policy import Standing
from .report import escaped, function_state, number, page, state
from .roster import Member
from .similarity import Pair

NUM_MESSAGES, NUM_PAIRS = 20, 50
WIDTH, HEIGHT, BINS = 640, 180, 10  # of the plot of scores
STYLE = """
body { max-width: 60rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid var(--line); padding: .15rem .5rem; text-align: left }
td { overflow-wrap: break-word }
.n { text-align: right; white-space: nowrap }
svg { max-width: 100%; height: auto }
svg text { font-size: 13px; fill: currentColor }
svg rect { fill: var(--right) }
svg line { stroke: var(--dim) }
meter { width: 8rem }
"""


def class_html(
    all_marks: Sequence[Marks],
    points: Points,
    standings: Mapping[str, Standing],
    missing: Sequence[Member],
    pairs: Sequence[Pair],
) -> str:
    """The page: distribution of scores, functions, cases, messages, who is missing, late or alike."""
    graded = [marks for marks in all_marks if marks.status == "graded"]
    shares = [_share(marks, points, standings) for marks in all_marks]
    outcomes = [outcome for marks in graded for outcome in marks.outcomes]
    parts = [
        *page(f"{len(all_marks)} submissions", STYLE),
        f"<h1>{len(all_marks)} submissions</h1>",
        *_scores(shares),
        *_table(
            "Not graded",
            ("submission", "why"),
            [(m.submission, m.note) for m in all_marks if m not in graded],
        ),
        *_table("Missing", ("id", "name", "section"), [(m.id, m.name, m.section) for m in missing]),
        *_table("Late", ("submission", "days", "taken"), _late(standings)),
        *_functions(graded),
        *_table(
            "Cases", ("function", "case", "right", "example only", "wrong", "not written"), _cases(outcomes)
        ),
        *_table("Commonest messages", ("submissions", "function", "message"), _messages(graded)),
        *_table(
            "Alike, for a person to judge",
            ("submission", "other", "share", "shared", "where"),
            [(p.submission, p.other, f"{p.share:.0%}", str(p.shared), p.where) for p in pairs[:NUM_PAIRS]],
        ),
        "</html>\n",
    ]
    return "\n".join(parts)


def _share(marks: Marks, points: Points, standings: Mapping[str, Standing]) -> float:
    score = standings.get(marks.submission, Standing()).total(points.score(marks.outcomes))
    best = points.max_score(marks.outcomes)
    return score / best if best else 0.0


def _scores(shares: Sequence[float]) -> Iterator[str]:
    """Mean, median, quartiles, and a histogram in tenths of the points; more than all counts as all."""
    if not shares:
        return
    quarters = statistics.quantiles(shares, n=4, method="inclusive") if len(shares) > 1 else 3 * [shares[0]]
    low, median, high = (f"{100 * value:.0f} %" for value in quarters)
    yield (
        f"<p>Mean {100 * statistics.fmean(shares):.0f} %, median {median}, half of the class between {low} "
        f"and {high} of the points.</p>"
    )
    counts = Counter(min(max(int(share * BINS), 0), BINS - 1) for share in shares)
    yield from _histogram([counts[i] for i in range(BINS)])


def _histogram(counts: Sequence[int]) -> Iterator[str]:
    wide, tall, most = WIDTH / len(counts), HEIGHT - 45, max(counts)
    said = ", ".join(f"{10 * i} to {10 * i + 10} %: {count}" for i, count in enumerate(counts) if count)
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Submissions by score: {said}">'
    for i, count in enumerate(counts):
        height = tall * count / most
        left, top = i * wide + 4, tall - height + 20
        if count:
            yield f'<rect x="{left:.0f}" y="{top:.0f}" width="{wide - 8:.0f}" height="{height:.0f}"/>'
            yield f'<text x="{left + wide / 2 - 4:.0f}" y="{top - 5:.0f}" text-anchor="middle">{count}</text>'
    yield f'<line x1="0" y1="{tall + 20}" x2="{WIDTH}" y2="{tall + 20}"/>'
    for i in range(len(counts) + 1):
        anchor = {0: "start", len(counts): "end"}.get(i, "middle")
        percent = 100 * i // len(counts)
        yield f'<text x="{i * wide:.0f}" y="{tall + 38}" text-anchor="{anchor}">{percent}</text>'
    yield "</svg>\n<p><small>Submissions by score, in percent of the points.</small></p>"


def _late(standings: Mapping[str, Standing]) -> list[tuple[str, ...]]:
    late = [(name, standing) for name, standing in standings.items() if standing.days_late]
    return [(name, str(standing.days_late), f"{standing.taken:.0%}") for name, standing in late]


def _functions(graded: Sequence[Marks]) -> Iterator[str]:
    """How many have each function right, with a bar."""
    found: dict[str, list[str]] = {}
    lessons: dict[str, int] = {}
    for marks in graded:
        for function, outcomes in by_function(marks.outcomes).items():
            found.setdefault(function, []).append(function_state(outcomes))
            lessons[function] = outcomes[0].lesson
    if not found:
        return
    yield "<h2>Functions</h2>\n<table>\n<tr><th>lesson<th>function<th>right<th><th>not written</tr>"
    for function, states in found.items():
        count, lesson = Counter(states), f"{lessons[function]}, {CHAPTERS[lessons[function]][0]}"
        right, all_ = count["right"], len(states)
        yield (
            f'<tr><td>{lesson}<td>{escaped(function)}<td class="n">{right} of {all_}'
            f'<td><meter max="{all_}" value="{right}"></meter><td class="n">{count["missing"]}</tr>'
        )
    yield "</table>"


def _cases(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for outcome in outcomes:
        only = outcome.example and not outcome.right
        counts.setdefault((outcome.function, outcome.case), Counter())[
            "only" if only else state(outcome)
        ] += 1
    kinds = ("right", "only", "wrong", "missing")
    return [(*case, *(str(count[kind]) for kind in kinds)) for case, count in counts.items()]


def _messages(graded: Sequence[Marks]) -> list[tuple[str, ...]]:
    """(submissions, function, message): without the question, which differs from case to case."""
    asked = {(c.function, c.name): question(c, c.example) for c in CASES}
    found = Counter(
        pair
        for marks in graded
        for pair in dict.fromkeys(  # a student counts once
            (o.function, o.message.removeprefix(f"{asked.get((o.function, o.case))}: "))
            for o in marks.outcomes
            if o.message and not o.missing and not o.right
        )
    )
    return [(str(count), function, said) for (function, said), count in found.most_common(NUM_MESSAGES)]


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A section, if it has any rows."""
    if rows:
        heads = "".join(f"<th>{name}" for name in header)
        yield f"<h2>{title}: {number(len(rows))}</h2>\n<table>\n<tr>{heads}</tr>"
        for row in rows:
            cells = (f'<td class="n">{one}' if one.isdecimal() else f"<td>{escaped(one)}" for one in row)
            yield f"<tr>{''.join(cells)}</tr>"
        yield "</table>"
