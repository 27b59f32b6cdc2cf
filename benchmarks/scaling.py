"""What several workers cost and gain: measured on this machine, and modelled for more of them.

    python -m benchmarks.scaling           some minutes; writes benchmarks/scaling.md

Linux on x86-64 only: elsewhere MXNet has no parameter server.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import d2lrnn  # before mxnet: it decides how many threads that gets
from d2lrnn.launching.job import free_port

import mxnet as mx
import numpy as np

from audits.links import Place, machines

WRITTEN = Path(__file__).with_suffix(".md")
ROOT = WRITTEN.parent.parent
HIDDEN_DIM, BATCH_SIZE, NUM_STEPS = 256, 32, 35  # what `python -m d2lrnn.train` takes
FLAGS = "--dropout 0 --lr 0.005 --warmup 0 --init-bias zero --average 0"  # nothing but the steps themselves
VOCAB_SIZES = (64, 850, 2800, 11_600)  # 0.4, 2, 6 and 24 MB of gradients
ROUNDS, ROUNDS_OF_LINKS, WARM_UP, BAR = 15, 7, 3, 1.5
WORKERS, TURNS = (1, 2, 4), 3
GBIT = 1e9 / 8  # bytes
LINKS = (0.5, 1, 10)  # Gbit/s, measured
SPEEDS = (1, 10, 25, 100)  # Gbit/s, modelled
CASES = ((8, 1), (8, 8), (64, 1), (64, 64))  # workers, servers


class Exchange(NamedTuple):
    """The bytes that a worker sends (as many come back), and the cost in milliseconds, medians of rounds."""

    num_bytes: int
    bare: float
    step: float
    without: float
    exchange: float  # median of what a step takes longer than one without exchange


class Model(NamedTuple):
    """Seconds of computation a step, bytes of the buffer, and an exchange's seconds: fixed, and per byte."""

    compute: float
    num_bytes: int
    fixed: float
    per_byte: float

    def exchange(self, num_workers: int, num_servers: int, bandwidth: float, num_far: int = 0) -> float:
        """Seconds: a server's link carries its share of all buffers in, and after that out.

        num_far: how many of the workers reach a server by its link (0: all).
        """
        share, far = self.num_bytes / num_servers, num_far or num_workers
        return self.fixed + share * (far * 2 / bandwidth + num_workers * self.per_byte)

    def efficiency(self, num_workers: int, num_servers: int, bandwidth: float) -> float:
        """The share of a step that is computing."""
        return self.compute / (self.compute + self.exchange(num_workers, num_servers, bandwidth))

    def needed(self, num_workers: int, num_servers: int, efficiency: float) -> str:
        """The bandwidth at which it is reached, in words."""
        share = num_workers / num_servers * self.num_bytes
        room = self.compute / efficiency - self.compute - self.fixed - share * self.per_byte
        return f"{2 * share / room / GBIT:.2g} Gbit/s" if room > 0 else "none is enough"


def main() -> int:
    """Measure, model, and write both down."""
    exchanges = [_measure_exchange(vocab_size) for vocab_size in VOCAB_SIZES]
    text = _report(exchanges, _measure_links(), _measure_rates())
    WRITTEN.write_text(text, encoding="utf-8")
    print(text)
    return 0


# --- the exchange of one step ---


def _measure_exchange(
    vocab_size: int,
    rounds: int = ROUNDS,
    places: Sequence[Place] = (Place(), Place()),
    servers: Sequence[Place] = (Place(),),
    *,
    as_it_was: bool = False,
) -> Exchange:
    """Two workers, one core each, and servers. as_it_was: with all gradients in one buffer."""
    port = str(free_port("127.0.0.1"))
    job = {"DMLC_PS_ROOT_URI": servers[0].address, "DMLC_PS_ROOT_PORT": port}
    job |= {"DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": str(len(servers)), "MXNET_CPU_WORKER_NTHREADS": "1"}
    call = f"work({vocab_size}, {rounds}, {as_it_was})"

    def start(role: str, place: Place, index: str = "") -> subprocess.Popen[str]:
        own = {"DMLC_ROLE": role, "DMLC_NODE_HOST": place.address, "D2LRNN_WORKER_INDEX": index}
        code = f"from benchmarks.scaling import work; {call}" if index else "import d2lrnn, mxnet"
        command, env = [*place.prefix, sys.executable, "-c", code], {**os.environ, **job, **own}
        return subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    members = [start("scheduler", servers[0]), *(start("server", place) for place in servers)]
    members += [start("worker", places[1], "1"), start("worker", places[0], "0")]
    try:
        printed, _ = members[-1].communicate(timeout=600)
    finally:
        for member in members:
            member.kill()
            member.communicate()
    return Exchange(*json.loads(printed))


def _measure_links() -> dict[float, tuple[Exchange, Exchange]]:
    """Gbit/s of the links -> the exchange of the lyrics' network, as it was and as it is.

    It was one buffer, and a server on a machine of its own; now there is a server beside each worker. The two
    take turns. Empty where that is not permitted.
    """
    found = {}
    for gbit in LINKS:
        try:
            with machines(3, gbit) as (third, *places):
                how = _vocab_size(), ROUNDS_OF_LINKS, places
                turns = [
                    (_measure_exchange(*how, [third], as_it_was=True), _measure_exchange(*how, places))
                    for _ in range(TURNS)
                ]
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no links are slowed: {error}", file=sys.stderr)
        else:
            was, now = (Exchange(*map(statistics.median, zip(*each))) for each in zip(*turns))
            found[gbit] = was, now
    return found


class Counted(d2lrnn.Workers):
    """Workers that count the bytes that this one sends."""

    num_bytes = 0

    def sum(self, key: str, array: mx.nd.NDArray) -> None:
        """As Workers.sum."""
        self.num_bytes += 4 * array.size
        super().sum(key, array)


class OneBuffer(d2lrnn.Replica):
    """A Replica as it was: all gradients travel, when all of them are ready."""

    def __init__(self, network: d2lrnn.Network, params: Sequence, workers: d2lrnn.Workers) -> None:
        super().__init__(network, params, workers)
        self.buffers = {"others": d2lrnn.flat_gradients(params, spare=4)}
        self.numbers = self.buffers["others"][-4:]


def work(vocab_size: int, rounds: int, as_it_was: bool) -> None:
    """Be one of the two workers: three ways to spend a step, in turn; the first prints an Exchange.

    All begin together, and a step takes as long as its slower worker. Each learns from a batch of its shard.
    """
    from d2lrnn.running.run import keep_memory

    keep_memory()
    workers = Counted(int(os.environ["D2LRNN_WORKER_INDEX"]), 2)
    mx.random.seed(0)
    network, ctx = d2lrnn.get_network("rnn"), mx.cpu()
    params = network.get_params(vocab_size, HIDDEN_DIM, ctx, scale=0.1)
    optimizer, state = d2lrnn.Optimizer("adam", params, 1e-4), network.init_state(BATCH_SIZE, HIDDEN_DIM, ctx)
    text = d2lrnn.load_corpus("lyrics")
    mine = d2lrnn.shard(np.array(d2lrnn.Vocab(text).encode(text)) % vocab_size, workers.index, 2)
    batch = next(d2lrnn.data_iter_random(mine, BATCH_SIZE, NUM_STEPS, ctx, rng=0))
    replica = (OneBuffer if as_it_was else d2lrnn.Replica)(network, params, workers)
    replica.learn(*batch, state, params)
    num_bytes, bare = workers.num_bytes, mx.nd.zeros(workers.num_bytes // 4)
    workers.store.init("bare", bare)

    def push_and_pull() -> None:
        workers.store.push("bare", bare)
        workers.store.pull("bare", out=bare)

    ways: Sequence[Callable[[], object]] = (
        push_and_pull,
        lambda: replica.train_batch(params, state, batch, optimizer, 1.0),
        lambda: network.train_batch(params, state, batch, optimizer, 1.0),
    )
    times = np.zeros((rounds, len(ways)))
    for turn in range(-WARM_UP, rounds):
        for way in np.roll(range(len(ways)), turn):
            workers.gather("begin", np.zeros((1, 1)))
            clock = time.perf_counter()
            ways[way]()
            mx.nd.waitall()
            times[turn, way] = time.perf_counter() - clock  # those of the warm-up are overwritten
    slower = workers.gather("times", 1000 * times.reshape(1, -1)).max(axis=0).reshape(times.shape)
    if workers.index == 0:
        found = [*np.median(slower, axis=0), np.median(slower[:, 1] - slower[:, 2])]
        print(json.dumps([num_bytes, *map(float, found)]), flush=True)
    workers.wait_at_exit(True)


# --- whole runs ---


def _measure_rates() -> dict[int, float]:
    """Number of workers -> characters a second on this machine: medians of epochs in runs that take turns."""
    rates: dict[int, list[float]] = {num_workers: [] for num_workers in WORKERS}
    for _ in range(TURNS):
        for num_workers in WORKERS:
            with tempfile.TemporaryDirectory() as folder:
                flags = f"{FLAGS} --workers {num_workers} --epochs {2 * num_workers} --heldout 0 --pred-len 1"
                command = [sys.executable, "-m", "d2lrnn.train", *flags.split(), "--out", folder]
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                lines = Path(folder, "metrics.jsonl").read_text().splitlines()
            rates[num_workers] += [json.loads(line)["chars_per_second"] for line in lines[1:]]
    return {num_workers: statistics.median(found) for num_workers, found in rates.items()}


# --- the report ---


def _vocab_size() -> int:
    return len(d2lrnn.Vocab(d2lrnn.load_corpus("lyrics")))


def _fit(exchanges: Sequence[Exchange], rate: float) -> Model:
    """The model of the lyrics' network. fixed and per_byte: of two workers, with least relative errors."""
    sizes, seconds = np.array([(one.num_bytes, one.exchange / 1000) for one in exchanges]).T
    per_byte, fixed = np.polyfit(2 * sizes, seconds, 1, w=1 / seconds)
    num_numbers = (2 * _vocab_size() + HIDDEN_DIM + 1) * HIDDEN_DIM + _vocab_size() + 4
    return Model(BATCH_SIZE * NUM_STEPS / rate, 4 * num_numbers, max(0.0, float(fixed)), float(per_byte))


def _report(
    exchanges: Sequence[Exchange], links: dict[float, tuple[Exchange, Exchange]], rates: dict[int, float]
) -> str:
    model = _fit(exchanges, rates[1])
    constants = (
        f"C = {1000 * model.compute:.1f} ms of computing a step (one worker, all cores), "
        f"B = {model.num_bytes / 1e6:.1f} MB, a = {1000 * model.fixed:.2f} ms and "
        f"c = {1e9 * model.per_byte:.2f} ms/MB"
    )
    return TEXT.format(
        exchanges=_table(_exchange_rows(exchanges)),
        links=_table(_rows_of_links(links, model)),
        here=_table(_rows_of_this_machine(rates, model)),
        more=_table(_rows_of_more(model)),
        needed=_table(_rows_of_needed(model)),
        constants=constants,
        machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; mxnet "
        f"{metadata.version('mxnet')}, d2lrnn {d2lrnn.__version__}; load {os.getloadavg()[0]:.1f} at the end",
    )


def _exchange_rows(exchanges: Sequence[Exchange]) -> Iterable[tuple[str, ...]]:
    yield "buffer", "bare push and pull", "step", "step without exchange", "exchange", "× bare", f"≤ {BAR}"
    for one in exchanges:
        ratio = one.exchange / one.bare
        times = (f"{ms:.1f} ms" for ms in one[1:])
        yield f"{one.num_bytes / 1e6:.1f} MB", *times, f"{ratio:.2f}", "yes" if ratio <= BAR else "no"


def _rows_of_links(links: dict[float, tuple[Exchange, Exchange]], model: Model) -> Iterable[tuple[str, ...]]:
    yield "each link", "as it was", "exchange", "now", "faster", "exchange", "modelled"
    for gbit, (was, now) in links.items():
        modelled = 1000 * model._replace(num_bytes=now.num_bytes).exchange(2, 2, GBIT * gbit, num_far=1)
        sizes = (f"{one.num_bytes / 1e6:.1f} MB" for one in (was, now))
        times = (f"{ms:.0f} ms" for ms in (was.exchange, now.exchange, modelled))
        size_was, size, was_ms, now_ms, modelled_ms = *sizes, *times
        faster = f"{was.exchange / now.exchange:.1f} ×"
        yield f"{gbit} Gbit/s", size_was, was_ms, size, faster, now_ms, modelled_ms


def _rows_of_this_machine(rates: dict[int, float], model: Model) -> Iterable[tuple[str, ...]]:
    yield "workers", "measured", "modelled", "measured speed-up", "modelled speed-up"
    for num_workers, rate in rates.items():
        busy = num_workers * model.compute  # the cores are shared
        exchange = model.exchange(num_workers, 1, float("inf")) if num_workers > 1 else 0.0
        modelled = num_workers * BATCH_SIZE * NUM_STEPS / (busy + exchange)
        speed_ups = f"{rate / rates[1]:.2f}", f"{modelled / rates[1]:.2f}"
        yield f"{num_workers}", f"{rate:,.0f} characters/s", f"{modelled:,.0f} characters/s", *speed_ups


def _rows_of_more(model: Model) -> Iterable[tuple[str, ...]]:
    yield "workers", "servers", *(f"{speed} Gbit/s" for speed in SPEEDS)
    for case in CASES:
        found = [model.efficiency(*case, GBIT * speed) for speed in SPEEDS]
        rate = case[0] * BATCH_SIZE * NUM_STEPS / model.compute
        cells = (f"{one * rate:,.0f} ({case[0] * one:.1f} ×, {one:.0%})" for one in found)
        yield f"{case[0]}", f"{case[1]}", *cells


def _rows_of_needed(model: Model) -> Iterable[tuple[str, ...]]:
    yield "workers", "servers", "speed-up > 1 from", "efficiency ≥ 50 % from"
    for case in CASES:
        yield f"{case[0]}", f"{case[1]}", model.needed(*case, 1 / case[0]), model.needed(*case, 0.5)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = (f"| {' | '.join(row)} |\n" for row in rows)
    return "".join([head, "|" + "--:|" * (head.count("|") - 1) + "\n", *body])


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()


TEXT = """# What several workers cost and bring

Written by `make scaling`; chapter 17 derives the model. Times are medians.

## Measured: the exchange of a step

{exchanges}
Two workers and a server on this machine, joined by its loopback, one core for each worker. Networks with
256 hidden units and vocabularies of 64, 850, 2800 and 11,600 characters; batches of 32 × 35 characters of
the lyrics, on which it depends how many rows of W_xh travel. Three things take turns: `push` and `pull` of
as many zeros in one buffer and nothing else; a step of `train_batch` with a `Replica`; the same step
without. All begin together, and each takes as long as its slower worker. The exchange is the median
difference of the second and the third. It holds what the bare one does, and what a `Replica` adds to it:
weighting by characters before, dividing after, saying what was read, packing and unpacking, and waiting
for the slower worker; it saves what happens while the rest of a gradient is computed.

## Measured, and modelled beside it: slow links

{links}
The same with the network of the lyrics. Each worker has a network namespace of its own, around a switch,
and `tc` lets each link carry no more than this, either way. As it was: all gradients in one buffer, sent
when the last is ready, and one server, in a third namespace. Now: a server beside each worker, as `train`
starts them, the output layer's gradients first, and of W_xh the rows that were read. The two took turns.
The model knows the first table only; one of two workers reaches a server by its link. (Where namespaces
are not permitted, this table is empty.)

## Measured, and modelled beside it: this machine

{here}
`python -m d2lrnn.train --workers N` on the lyrics, with nothing dropped or averaged: a batch of 32 × 35
characters for each worker. Modelled: N times the computing of one worker, which has all cores, and the
exchange with one server. Where the cores are shared there is nothing to be won, only the exchange to pay.

## Modelled: a machine for each worker

Characters a second, in brackets the speed-up over one machine and the efficiency. **Nothing in these two
tables is measured.**

{more}
{needed}
The model: {constants}.
The last two are fitted to the first table. An exchange takes E = a + N/M · B · (2/w + c) for N workers,
M servers and links of bandwidth w; the efficiency is C / (C + E), the speed-up N times that. It assumes
that every machine is like this one; that each server has a link of its own and an equal part of the
buffer; that all rows travel, for many workers together have read most characters; that all gradients go in
before the sum comes out; that nobody computes meanwhile; that the switch carries all links at full speed;
and that copying and adding is as slow as here, where workers and server share the cores.

{machine}.
"""


if __name__ == "__main__":
    sys.exit(main())
