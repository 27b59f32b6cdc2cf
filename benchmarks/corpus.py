"""Long corpora: the time and memory that ours and the usual ways take, and whether training slows down.

    python -m benchmarks.corpus                    texts of 200 MB, about ten minutes
    python -m benchmarks.corpus --megabytes 20     shorter ones, about a minute

Prints three tables. The usual ways of others take turns with ours in one process. All read the same file and
end with the same sorted characters and the same index for every character of the text, which is checked.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, load_corpus

import numpy as np

KINDS = (
    "ascii",
    "chinese",
    "emoji",
)  # the last: ASCII with three emoji, for which str takes 4 bytes a character
PIECE = 2**20
BATCH = 2**16  # characters that a map in batches gives its function

# In a process of its own for each file: what is measured is the peak above what the imports hold.
CHILD = r"""
import os, re, sys, time
from d2lrnn import Vocab, load_corpus
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings

def held(field):
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(field + r":\s+(\d+)", status.read())[1])

def load(path):
    text = load_corpus(path)
    indices = Vocab(text).to_indices(text)
    return len(indices)

def train(path):
    run = Run(Settings(corpus=(path,)))
    next(run.train_epoch())
    return len(run.dataset.train_indices) + len(run.dataset.heldout_indices)

for path in sys.argv[2:]:
    if os.fork() == 0:
        before, start = held("VmRSS"), time.perf_counter()
        num_chars = {"load": load, "train": train}[sys.argv[1]](path)
        print(num_chars, held("VmHWM") - before, time.perf_counter() - start, flush=True)
        os._exit(0)
    os.wait()
"""

Indices = tuple[list[str], Any]  # the characters in order, and the index of each character of the text


def write_text(path: Path, kind: str, num_bytes: int) -> None:
    """A million random characters in lines (Chinese ones as Zipf would draw them), repeated to num_bytes."""
    rng, shares = np.random.default_rng(0), 1 / np.arange(1, 5001)
    if kind == "chinese":
        points = 0x4E00 + rng.choice(5000, PIECE, p=shares / shares.sum())
    else:
        points = rng.integers(ord(" "), ord("~") + 1, PIECE)
    points[40::41] = ord("\n")
    piece = points.astype("<u4").tobytes().decode("utf-32-le").encode()
    with open(path, "wb") as file:
        for _ in range(-(-num_bytes // len(piece))):
            file.write(piece)
        if kind == "emoji":
            file.write("🎤🎸🎹".encode())


# --- the ways: a file becomes characters and indices ---


def ours(path: Path) -> Indices:
    """As `python -m d2lrnn.train` does."""
    text = load_corpus(path)
    vocab = Vocab(text)
    return vocab.idx_to_char, vocab.to_indices(text)


def counter_and_dict(path: Path) -> Indices:
    """As the book's Vocab does: Counter, dict, and a list of ints."""
    text = _text(path)
    chars = sorted(Counter(text))
    char_to_idx = {char: idx for idx, char in enumerate(chars)}
    return chars, [char_to_idx[char] for char in text]


def set_and_dict(path: Path) -> Indices:
    """As nanoGPT's prepare.py does: set, dict, and an array made of the list."""
    text = _text(path)
    chars = sorted(set(text))
    char_to_idx = {char: idx for idx, char in enumerate(chars)}
    return chars, np.array([char_to_idx[char] for char in text], np.uint16)


def map_in_batches(path: Path) -> Indices:
    """As Dataset.map(batched=True) does, without the cost of Arrow: a dict, batch by batch."""
    text = _text(path)
    batches = [text[start : start + BATCH] for start in range(0, len(text), BATCH)]
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(batch)
    chars = sorted(counts)
    char_to_idx = {char: idx for idx, char in enumerate(chars)}
    arrays = [np.array([char_to_idx[char] for char in batch], np.int32) for batch in batches]
    return chars, np.concatenate(arrays)


def numpy_unique(path: Path) -> Indices:
    """numpy.unique on the code points."""
    points = np.frombuffer(_text(path).encode("utf-32-le"), np.uint32)
    distinct, indices = np.unique(points, return_inverse=True)
    return [chr(point) for point in distinct], indices


def torch_unique(path: Path) -> Indices:
    """torch.unique on the code points."""
    torch = importlib.import_module("torch")
    points = torch.frombuffer(bytearray(_text(path).encode("utf-32-le")), dtype=torch.int32)
    distinct, indices = torch.unique(points, return_inverse=True)
    return [chr(point) for point in distinct.tolist()], indices


def read_only(path: Path) -> Indices:
    """The limit: the bytes become one line of text, and nothing else."""
    path.read_bytes().decode().replace("\n", " ")
    return [], []


def peers() -> dict[str, Callable[[Path], Indices]]:
    """The usual ways, by name; torch.unique where PyTorch is installed."""
    ways: dict[str, Callable[[Path], Indices]] = {
        "numpy.unique": numpy_unique,
        "Counter and dict": counter_and_dict,
        "set and dict": set_and_dict,
        "map in batches": map_in_batches,
    }
    if importlib.util.find_spec("torch"):
        ways["torch.unique"] = torch_unique
    return ways


def _text(path: Path) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().replace("\n", " ")


# --- what is measured ---


def loading_seconds(num_bytes: int, kind: str = "chinese", repeats: int = 3) -> dict[str, list[float]]:
    """Seconds to load, count and encode a text: of "ours", "limit" and each of the peers, which take turns.

    Raises:
        AssertionError: the result of a way differs from ours.
    """
    ways = {"ours": ours, "limit": read_only, **peers()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.txt"
        write_text(path, kind, num_bytes)
        chars, indices = ours(path)
        for turn in range(repeats):
            for name, way in ways.items():
                start = time.perf_counter()
                found = way(path)
                seconds[name].append(time.perf_counter() - start)
                if turn == 0 and name != "limit":
                    assert found[0] == chars, name
                    assert np.array_equal(np.asarray(found[1]), indices), name
                del found
    return seconds


def peak_bytes(paths: Sequence[Path], until: str = "load") -> list[tuple[int, int, float]]:
    """(characters, bytes, seconds) of each file: the most memory that loading, counting and encoding it took.

    It is the peak of a separate process, less what that process held after its imports. until: "train", to
    the end of the first batch of `python -m d2lrnn.train`.
    """
    command = [sys.executable, "-W", "ignore", "-c", CHILD, until, *map(str, paths)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [(int(chars), int(peak), float(seconds)) for chars, peak, seconds in map(str.split, lines)]


def training_seconds(num_bytes: int, batches: int = 60) -> dict[int, list[float]]:
    """Seconds of each batch on Chinese texts: of num_bytes (100), a tenth (10) and a hundredth (1) of that.

    All use the settings of `python -m d2lrnn.train`. The three take turns batch by batch, so that other load
    on the machine affects them equally.
    """
    from d2lrnn.running.run import Run
    from d2lrnn.running.settings import Settings

    seconds: dict[int, list[float]] = {1: [], 10: [], 100: []}
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for times in seconds:
            path = Path(folder) / f"{times}.txt"
            write_text(path, "chinese", num_bytes * times // 100)
            runs[times] = Run(Settings(corpus=(str(path),))).train_epoch()
            next(runs[times])
    for turn in range(batches):
        for times in sorted(seconds, key=lambda times: (turn + len(str(times))) % 3):
            start = time.perf_counter()
            next(runs[times])
            seconds[times].append(time.perf_counter() - start)
    return seconds


# --- tables ---


def _print_loading(num_bytes: int) -> None:
    print("\n| load, count, encode | way | seconds | of all runs | ÷ ours |\n|---|---|--:|---|--:|")
    for kind in KINDS[:2]:
        seconds = loading_seconds(num_bytes, kind)
        best = statistics.median(seconds["ours"])
        for name, all_runs in seconds.items():
            median = statistics.median(all_runs)
            runs = ", ".join(f"{run:.2f}" for run in sorted(all_runs))
            print(f"| {kind} | {name} | {median:.2f} | {runs} | {median / best:.2f} |", flush=True)


def _print_memory(num_bytes: int) -> None:
    print("\n| memory | until | characters | file, MB | peak, MB | above it, bytes a character | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{kind}.txt" for kind in KINDS]
        for path in paths:
            write_text(path, path.stem, num_bytes)
        for until, what in (("load", "encoded"), ("train", "the first batch")):
            for path, (num_chars, peak, seconds) in zip(paths, peak_bytes(paths, until)):
                size = path.stat().st_size
                above = (peak - size) / num_chars
                cells = f"{num_chars:,} | {size / 1e6:.0f} | {peak / 1e6:.0f} | {above:.2f} | {seconds:.1f}"
                print(f"| {path.stem} | {what} | {cells} |", flush=True)


def _print_training(num_bytes: int) -> None:
    print("\n| training, corpus | ms a batch | middle half of the batches | ÷ ×1 |\n|---|--:|---|--:|")
    seconds = training_seconds(num_bytes)
    for times, batches in seconds.items():
        low, median, high = (1e3 * quartile for quartile in statistics.quantiles(batches))
        ratio = median / 1e3 / statistics.median(seconds[1])
        print(f"| ×{times} | {median:.1f} | {low:.1f} – {high:.1f} | {ratio:.3f} |")


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=200, help="of each text (200)")
    num_bytes = round(1e6 * parser.parse_args().megabytes)
    _print_memory(num_bytes)
    _print_loading(num_bytes)
    _print_training(num_bytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
