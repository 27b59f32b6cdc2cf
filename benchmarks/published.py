"""The figures that the tutorials of this lineage published, trained again and printed beside them.

    python benchmarks/published.py                     all rows, about an hour on 2 cores
    python benchmarks/published.py --row random lstm   some of them

Needs both versions of the lyrics, jaychou_lyrics_2017-12.txt.zip and jaychou_lyrics_2018-05.txt.zip, in data/
or in the folder that D2LRNN_TEST_DATA names. The first four rows are the printed book's: the first 10,000
characters of 2018-05, SGD with lr 100 and theta 0.01, batches of 32 x 35, 256 hidden units. The last is the
seed's: 2017-12 in full, Adam 0.01, theta 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, get_network, load_corpus, train_and_predict_rnn

BOOK = {
    "version": "2018-05",
    "max_chars": 10_000,
    "optimizer": "sgd",
    "lr": 100.0,
    "clipping_theta": 0.01,
    "pred_len": 50,
}
SEED = {
    "version": "2017-12",
    "max_chars": None,
    "optimizer": "adam",
    "lr": 0.01,
    "clipping_theta": 1.0,
    "pred_len": 100,
}
ROWS: dict[str, dict[str, Any]] = {  # epoch: (lowest, highest) published perplexity
    "random": {
        **BOOK, "cell": "rnn", "is_random_iter": True,
        "published": {50: (66, 73), 100: (9.4, 10.3), 150: (2.7, 3.1), 200: (1.5, 1.68), 250: (1.28, 1.33)},
    },
    "consecutive": {
        **BOOK, "cell": "rnn", "is_random_iter": False,
        "published": {50: (59, 64), 100: (6.7, 7.4), 150: (2.0, 2.15), 200: (1.28, 1.36), 250: (1.12, 1.19)},
    },
    "gru": {**BOOK, "cell": "gru", "is_random_iter": False, "published": {160: (1.4, 1.9)}},
    "lstm": {**BOOK, "cell": "lstm", "is_random_iter": False, "published": {160: (3.8, 4.4)}},
    "seed": {**SEED, "cell": "rnn", "is_random_iter": True, "published": {200: (1, 5.8)}},
}  # fmt: skip
PREFIXES = ("分开", "不分开", "战争中部队")  # the last as far as the corpus can spell it


def corpus_path(version: str) -> Path:
    """The zip of one version of the lyrics."""
    folders = [Path(os.environ.get("D2LRNN_TEST_DATA", "data")), Path("data")]
    paths = [folder / f"jaychou_lyrics_{version}.txt.zip" for folder in folders]
    return next((path for path in paths if path.exists()), paths[0])


def train_row(name: str, seed: int) -> list[float]:
    """The perplexity of every epoch of one row."""
    row = dict(ROWS[name])
    text = load_corpus(corpus_path(row.pop("version")), max_chars=row.pop("max_chars"))
    network, published = get_network(row.pop("cell")), row.pop("published")
    vocab = Vocab(text)
    return train_and_predict_rnn(
        network.rnn,
        network.get_params,
        network.init_state,
        256,
        vocab,
        vocab.encode(text),
        num_epochs=max(published),
        pred_period=max(published),
        prefixes=[prefix for prefix in PREFIXES if set(prefix) <= set(text)],
        seed=seed,
        **row,
    )


def main() -> None:
    """Train the rows and print the table: the median over the seeds, and their range."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", nargs="+", choices=ROWS, default=list(ROWS), help="which rows (all)")
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2], help="which seeds (0 1 2)")
    arguments = parser.parse_args()
    table = ["| row | epoch | published | median | of seeds | within |", "|---|--:|--:|--:|---|---|"]
    for name in arguments.row:
        runs = []
        for seed in arguments.seed:
            print(f"--- {name}, seed {seed}", flush=True)
            start = time.perf_counter()
            runs.append(train_row(name, seed))
            print(f"{(time.perf_counter() - start) / 60:.1f} minutes", flush=True)
        for epoch, (low, high) in ROWS[name]["published"].items():
            found = sorted(run[epoch - 1] for run in runs)
            median = statistics.median(found)
            within = "yes" if low <= median <= high else "no"
            seeds = ", ".join(f"{one:.4g}" for one in found)
            table.append(f"| {name} | {epoch} | {low:g} – {high:g} | {median:.4g} | {seeds} | {within} |")
    print("\n".join(table))


if __name__ == "__main__":
    main()
