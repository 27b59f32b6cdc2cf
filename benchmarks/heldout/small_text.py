"""Our own lyrics, 54 kB: `--recipe small-text` beside the default settings, earlier ones, and counts.

All through the command, as a user would type it; perplexities of the held-out tenth over all targets, as it
prints them. For the default runs the best epoch counts, chosen on that same text; for the recipe, the last.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from d2lrnn import CountModel, Vocab, evaluate_counts, load_corpus, train
from d2lrnn.running.settings import Settings

from .networks import BATCH_SIZE
from .store import Store

RUNS = {
    "defaults of c6eac42": "--lr 0.005 --dropout 0 --init-bias zero --average 0 --warmup 0 --early-stop 0",
    "defaults": "",
    "--recipe small-text": "--recipe small-text",
}
ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3}


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    print("| our lyrics | seed | best epoch | last epoch | minutes |\n|---|--:|--:|--:|--:|")
    for name, order in ORDERS.items():
        key: dict[str, Any] = {"study": "small_text", "counts": name}
        found = store.measured(key, partial(_count, order))
        print(f"| {name} | | {found['perplexity']:.1f} | | |")
    for name, flags in RUNS.items():
        for seed in seeds:
            key = {"study": "small_text", "flags": flags, "seed": seed}
            found = store.measured(key, partial(_train, [*flags.split(), f"--seed={seed}"]))
            print(f"| {name} | {seed} | {found['best']:.1f} | {found['last']:.1f} | {found['minutes']:.1f} |")


def _count(order: int) -> dict[str, Any]:
    text = load_corpus("lyrics")
    split, vocab = len(text) - int(len(text) * Settings.heldout), Vocab(text)
    model = CountModel(vocab.encode(text[:split]), len(vocab), order)
    return {"perplexity": evaluate_counts(model, vocab.encode(text[split:]), BATCH_SIZE)}


def _train(flags: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            code = train.main([*flags, f"--out={out}", "--autosave=0"])
        if code:
            raise ValueError(f"train {' '.join(flags)} ended with {code}: {said.getvalue()}")
        lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line) for line in lines]
    heldout = [epoch["heldout_perplexity"] for epoch in metrics]
    return {
        "best": min(heldout), "best_epoch": 1 + heldout.index(min(heldout)), "last": heldout[-1],
        "minutes": sum(epoch["seconds"] for epoch in metrics) / 60,
    }  # fmt: skip
