"""The rows of the table: what is measured, against whom, and how good it should be."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.corpus import loading_seconds

from .arena import CORES, Process, Setting, compare, take_turns
from .stage import Bench, Stage, fastest_products, say
from .table import TITLES
from .work import Task, surprise

Row = dict[str, Any]
PEERS = ("pytorch", "jax", "gluon")  # the best of them counts; NumPy stands beside
LIBRARIES = ("ours", "gluon", "pytorch", "jax", "numpy")  # those that multiply alone
TRAINING: dict[str, tuple[Task, tuple[str, ...], str]] = {  # row: task, peers, bar
    "rnn": (Task("rnn"), PEERS, "1.05, 75 %"),
    "gru": (Task("gru"), PEERS, "1.05, 60 %"),
    "lstm": (Task("lstm"), PEERS, "1.05, 50 %"),
    "rnn-1024": (Task("rnn", hidden_dim=1024), PEERS, "1.05"),
    "lstm-1024": (Task("lstm", hidden_dim=1024), PEERS, "1.05"),
    "vocab-28": (Task("rnn", vocab_size=28), PEERS, "1.00"),
    "lstm-vocab-28": (Task("lstm", vocab_size=28), PEERS, "1.00"),
    "vocab-6000": (Task("rnn", vocab_size=6000), PEERS, ""),
    "lstm-2-layers": (Task("lstm", 5901, 512, batch_size=64, num_layers=2), PEERS, "1.10"),
    "tutorial": (Task("rnn"), ("tutorial",), "4"),
}
DECODING = {  # row: streams, temperature
    "decode-1": (1, 0.0),
    "decode-32": (32, 0.0),
    "decode-1-drawn": (1, 0.8),
    "decode-32-drawn": (32, 0.8),
}
STEPS = ("eager", "compiled", "ten compiled")  # of PyTorch, and how it chooses
DRAWING = ("sum", "search", "multinomial", "exponential")
DECODED = 200  # characters a stream
SURPRISING = 4.0  # standard deviations
SIZES = (1, 10, 100)  # times the lyrics of 65,000 characters
TARGET = 6.0  # perplexity


def train(name: str, bench: Bench, corpus: np.ndarray | None = None) -> Row:
    """Seconds a step of training."""
    task, peers, bar = TRAINING[name]
    with Stage(bench, name, task, corpus) as stage:
        beside = () if name == "tutorial" else ("numpy",)
        stage.enter(("ours", *peers, *beside), lambda process: process.ask("train", steps=3))
        stage.check()
        seconds = _rounds(stage, lambda process, steps: process.ask("train", steps=steps))
        row = _row(stage, seconds, peers, "ms a batch", bar, unit=1e-3)
        if name != "tutorial" and "ours" in seconds:
            row |= _limit(stage, seconds, row["best"])
    return row


def train_on_songci(name: str, bench: Bench) -> Row:
    """The same on the poems of the Song dynasty."""
    from d2lrnn import Vocab, load_corpus

    text = load_corpus("songci")
    return train(name, bench, Vocab(text).to_indices(text))


def decode(name: str, bench: Bench) -> Row:
    """Seconds until every stream has been continued."""
    streams, temperature = DECODING[name]
    choices = DRAWING if temperature else ("argmax",)
    pytorch = [f"cell, {steps}, {choice}" for choice in choices for steps in STEPS]
    request = {"streams": streams, "num_chars": DECODED, "temperature": temperature}
    with Stage(bench, name, Task()) as stage:
        for who, variants in (("ours", ("",)), ("pytorch", pytorch if bench.size.tuned else pytorch[:1])):
            stage.enter([who], lambda process: process.ask("decode", **request)[0], variants)
        written = {who: process.ask("decode", **request)[1] for who, process in stage.processes.items()}
        if temperature:
            for who, texts in written.items():
                if abs(surprise(stage.task, np.array(texts), temperature)) > SURPRISING:
                    stage.faults.append(f"{who} draws from another distribution")
        elif len(written) == 2 and written["ours"] != written["pytorch"]:
            stage.faults.append("pytorch writes another text")
        seconds = _rounds(stage, lambda process, _: process.ask("decode", **request)[0])
        what = f"ms for {streams} × {DECODED} characters"
        return _row(stage, seconds, ("pytorch",), what, "1.00", unit=1e-3)


def perplexity(name: str, bench: Bench) -> Row:
    """Seconds of training until an epoch's perplexity on the lyrics of 2017-12 is TARGET; epochs in turn."""
    from d2lrnn import Vocab, load_corpus

    from benchmarks.published import corpus_path

    path = corpus_path("2017-12")
    if not path.exists():
        return {"row": name, "unit": f"not measured: {path.name} is not there (see published.py)"}
    target = TARGET if bench.size.tuned else 400.0
    text = load_corpus(path)
    vocab = Vocab(text)
    with Stage(bench, name, Task(vocab_size=len(vocab)), vocab.to_indices(text)) as stage:
        stage.enter(("ours", *PEERS, "numpy"), lambda process: process.ask("train", steps=3))
        for process in stage.processes.values():  # compiled, and untrained again
            stage.open(process)
        seconds, epochs = _until(target, stage)
        return _row(stage, seconds, PEERS, f"s to perplexity {target:g}, {epochs} epochs", "")


def _until(target: float, stage: Stage) -> tuple[dict[str, list[float]], int]:
    """Total seconds of each contender, trained epoch by epoch in turn, and epochs of the slowest learner."""
    seconds = dict.fromkeys(stage.processes, 0.0)
    running, epoch = list(seconds), 0
    while running:
        for name in list(running):
            more, reached = stage.processes[name].ask("epoch", number=epoch)
            seconds[name] += more
            if reached <= target:
                running.remove(name)
                say(f"{stage.row}: {TITLES[name]}, {seconds[name]:.1f} s, {epoch + 1} epochs, {reached:.2f}")
        epoch += 1
    return {name: [total] for name, total in seconds.items()}, epoch


def sizes(name: str, bench: Bench) -> Row:
    """Characters a second of a whole epoch, cut from corpora of several sizes."""
    task, rates = Task(), {}
    steps = 20 if bench.size.tuned else 3
    with Stage(bench, name, task) as stage:
        for times in SIZES:
            num_chars = 65_000 * times
            stage.processes[f"×{times}"] = stage.start("ours", Setting(CORES), num_chars=num_chars)
        seeds = iter(range(10**6))
        turns = {
            who: lambda process=process: process.ask("sampled", steps=steps, seed=next(seeds))
            for who, process in stage.processes.items()
        }
        take_turns(turns, 1)  # warm
        for times, found in zip(SIZES, take_turns(turns, bench.size.rounds).values()):
            ready, step = (statistics.median(one) for one in zip(*found))
            batches = 65_000 * times // (task.batch_size * task.num_steps)
            rates[times] = batches * task.batch_size * task.num_steps / (ready + batches * step)
    slowest = min(rates.values()) / max(rates.values())
    shown = ", ".join(f"{rate:,.0f}" for rate in rates.values())
    unit = f"characters/s, corpus {', '.join(f'×{times}' for times in SIZES)}"
    return {"row": name, "unit": unit, "ours": shown, "ratio": f"{slowest:.3f} × the fastest", "bar": "0.95"}


def load(name: str, bench: Bench) -> Row:
    """Seconds until a text is loaded, counted and encoded, in the ways of benchmarks/corpus.py."""
    megabytes, repeats = (200, 3) if bench.size.tuned else (2, 1)
    seconds = loading_seconds(megabytes * 10**6, "chinese", repeats)
    ratio = compare(seconds, [who for who in seconds if who not in ("ours", "limit")])
    ours = f"{statistics.median(seconds['ours']):.3g}"
    return {
        "row": name,
        "unit": f"s to load {megabytes} MB",
        "ours": ours,
        "ratio": str(ratio),
        "bar": "1.00",
    }


MEASURES: dict[str, Callable[[str, Bench], Row]] = {
    **dict.fromkeys(TRAINING, train),
    "lstm-2-layers": train_on_songci,
    **dict.fromkeys(DECODING, decode),
    "load": load,
    "sizes": sizes,
    "perplexity-6": perplexity,
}


def profile(name: str, bench: Bench) -> str:
    """Where ours spends its time in a row of training: the longest operators, in lines."""
    apart = {"MXNET_EXEC_BULK_EXEC_INFERENCE": "0"}  # each operator of a graph is counted by itself
    with Stage(bench, name, TRAINING[name][0], ours=apart) as stage:
        process = stage.start("ours", Setting(CORES))
        seconds = process.ask("train", steps=10)
        lines = [
            f"{name}: {1e3 * seconds:.1f} ms a step without the profiler",
            "   ms a step  calls  operator",
        ]
        for operator, calls, ms in process.ask("profile", steps=10)[:16]:
            lines.append(f"{ms:12.2f} {calls:6.0f}  {operator}")
        return "\n".join(lines)


def _rounds(stage: Stage, turn: Callable[[Process, int], float]) -> dict[str, list[float]]:
    """Every contender's seconds, round by round; each turn as many steps as fill it."""
    turns = {}
    for name, process in stage.processes.items():
        steps = max(1, round(stage.bench.size.turn / turn(process, 1)))
        turns[name] = lambda process=process, steps=steps: turn(process, steps)
    return take_turns(turns, stage.bench.size.rounds)


def _row(
    stage: Stage,
    seconds: Mapping[str, Sequence[float]],
    peers: Sequence[str],
    what: str,
    bar: str,
    unit: float = 1.0,
) -> Row:
    """The cells: medians in units of `unit` seconds, with the threads; the ratio to the best of peers."""
    row: Row = {"row": stage.row, "unit": what, "bar": bar, "best": "", "faults": "; ".join(stage.faults)}
    row["ways"] = ways(stage, peers, unit)
    for name, rounds in seconds.items():
        row[name] = f"{statistics.median(rounds) / unit:.3g} {stage.processes[name].setting.brief}"
    present = [name for name in peers if name in seconds]
    if "ours" in seconds and present:
        ratio = compare(seconds, present)
        row["best"], row["ratio"] = ratio.peer, str(ratio._replace(peer=TITLES[ratio.peer]))
    return row


def ways(stage: Stage, names: Sequence[str], unit: float) -> list[Row]:
    """A row for each way in which contenders were tried; the first of each took part."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for seconds, process in stage.tried.get(name, ()):
            times = found.setdefault((name, process.setting.variant), [])
            times.append(f"{seconds / unit:.3g} {process.setting.brief}")
    return [
        {"row": stage.row, "who": TITLES[name], "way": variant, "times": ", ".join(times)}
        for (name, variant), times in found.items()
    ]


def _limit(stage: Stage, seconds: dict[str, list[float]], best: str) -> Row:
    """The products alone, and how much of their speed is reached."""
    turns = {
        name: lambda process=process: process.ask("products")
        for name, process in stage.processes.items()
        if name in LIBRARIES
    }
    take_turns(turns, 1)  # warm
    limit = fastest_products(take_turns(turns, stage.bench.size.rounds))
    rate = sum(product.flops for product in stage.task.products()) / limit / 1e9
    row = {"limit": f"{1e3 * limit:.3g} ({rate:.0f} GFLOP/s)"}
    row["share"] = f"{limit / statistics.median(seconds['ours']):.0%}"
    if best:
        row["peer_share"] = f"{limit / statistics.median(seconds[best]):.0%}"
    return row
