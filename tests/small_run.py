"""Runs small enough to train in a test, and what they leave."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2lrnn import load_newest, train

# what the defaults were when runs went on to the last epoch, and their samples were greedy
BEFORE = shlex.split(
    "--dropout 0 --scale 0.05 --init-bias zero --average 0 --early-stop 0 --temperature 0 --warmup 0"
)
SMALL = [
    *shlex.split("--max-chars 600 --hidden-dim 8 --batch-size 4 --num-steps 5 --pred-len 6 --pred-period 2"),
    *BEFORE,
]

KINDS = {
    f"{cell} {optimizer} {sampler}": {"cell": cell, "optimizer": optimizer, "sampler": sampler}
    for cell in ("rnn", "lstm")
    for optimizer in ("sgd", "adam")
    for sampler in ("random", "consecutive")
}


def run_small(*arguments: Any) -> int:
    return train.main([*SMALL, *map(str, arguments)])


def exit_code_of(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> Any:
    """What a command returns, or leaves with where its parser refuses."""
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code


def perplexities(folder: "str | Path") -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [(line["train_perplexity"], line["heldout_perplexity"]) for line in lines]


def weights(folder: "str | Path") -> dict[str, bytes]:
    _, arrays, _, _ = load_newest(Path(folder) / "checkpoints")
    return {name: array.asnumpy().tobytes() for name, array in arrays.items()}
