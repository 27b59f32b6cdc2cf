"""The beginning of the Song lyrics, longer and longer: where do networks overtake counts, and gates none?

Networks and counts train on the first nine tenths of a part; its last tenth chooses the epoch. All are
measured on the last 10 % of the whole text, only over characters of the smallest part, so that all have the
same targets.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from d2lrnn import KneserNey

from .networks import EARLIER, measure, measure_counts, new_run, train_until_best
from .songci import CELLS, ORDER
from .splits import learnt, occurring, songci
from .store import Store

SIZES = (25_000, 50_000, 100_000, 200_000)
CURVES: dict[str, Any] = {"hidden_dim": 256, "lr": 0.002, "epochs": 30}  # at most; the best one counts


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    print(f"| songci, the first | Kneser-Ney {ORDER} | {' | '.join(CELLS)} |\n|--:|--:|--:|--:|--:|")
    for size in SIZES:
        key = {"study": "songci", "part": "curves", "size": size}
        measured = [store.measured({**key, "order": ORDER, "modified": True}, partial(_count_part, size))]
        cells = [[found["perplexity"] for found in measured]]
        for cell in CELLS:
            cells.append([])
            for seed in seeds:
                train = partial(_train_part, size, cell, seed)
                found = store.measured({**key, "cell": cell, "seed": seed, **CURVES}, train)
                cells[-1].append(found["perplexity"])
        shown = " | ".join(", ".join(f"{value:.1f}" for value in each) for each in cells)
        print(f"| {size:,} | {shown} |", flush=True)


def _count_part(size: int) -> dict[str, Any]:
    split = songci("test")
    model = KneserNey(split.train[: learnt(size)], len(split.vocab), ORDER, modified=True)
    known = occurring(split.train[: learnt(SIZES[0])], len(split.vocab))
    return {"perplexity": measure_counts(model, split.heldout).perplexity(known)}


def _train_part(size: int, cell: str, seed: int) -> dict[str, Any]:
    split = songci("test")
    text, chars = split.vocab.decode(split.train[:size]), "".join(split.vocab.idx_to_char)
    run = new_run(text, **{**EARLIER, **CURVES, "cell": cell, "seed": seed, "chars": chars})
    params, by_epoch = train_until_best(run)
    known = occurring(split.train[: learnt(SIZES[0])], len(split.vocab))
    perplexity = measure(run, params, split.heldout).perplexity(known)
    return {"perplexity": perplexity, "best_epoch": 1 + by_epoch.index(min(by_epoch)), "by_epoch": by_epoch}
