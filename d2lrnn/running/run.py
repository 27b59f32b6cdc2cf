"""A training run: what it learns from, how far it has come, and how that is kept."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from .. import __version__
from ..checkpoint import save_next, write_atomically
from ..cli import warn
from ..decoding import Choice, generate_batch
from ..dist import InTurn, Replica, Workers, shard
from ..fast import Network, get_network, get_rows
from ..loss import perplexity
from ..optim import Optimizer
from ..sampling import data_iter_consecutive, data_iter_random, fresh_offset
from ..training import evaluate, train_batches
from .dataset import check_fits, find_context, load_material
from .directory import BEST, CHECKPOINTS, CONFIG, CURVE, METRICS, PROGRESS, SAMPLES, check_shapes
from .settings import Settings

EXPLODED = 10  # times the loss of guessing: no run that learns comes near
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
PERPLEXITIES = ("train_perplexity", "heldout_perplexity")


def keep_memory() -> None:
    """Have the C library keep the memory that arrays leave, for the next ones: MXNet has no pool of its own.

    Otherwise glibc gives large blocks back to the system, and gets them again page by page, in every batch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


class Run:
    """A corpus, a network on its way, and, once begun or resumed, a directory.

    epoch: how many are done. batch, nats, num_chars, seconds: how far the one that is going on has come.
    state: the hidden state that consecutive batches carry, of all shards that this process trains on.
    last: the newest checkpoint on the disk.
    """

    folder: Path
    last: Path | None = None
    workers: InTurn | Workers | None = None  # who trains together, if it is more than this process

    def __init__(self, settings: Settings, index: int | None = None) -> None:
        """Read the corpus and draw the first parameters; nothing is written yet.

        index: which of the settings' workers this is (None: all of them, in turn).

        Raises:
            ValueError, FileNotFoundError: settings that do not go together with each other or with the
            corpus.
        """
        self.settings = settings
        indices, self.vocab, self.corpus_sha256, self.prefixes = load_material(settings)
        num_train = len(indices) - int(len(indices) * settings.heldout)
        self.train_indices, self.heldout_indices = indices[:num_train], indices[num_train:]
        if settings.heldout and len(self.heldout_indices) < 2:
            raise ValueError(
                f"--heldout {settings.heldout}: not two of {len(indices)} characters; give more, or 0"
            )
        self.shards = {0: self.train_indices}
        if settings.workers > 1:
            mine = range(settings.workers) if index is None else (index,)
            self.shards = {k: shard(self.train_indices, k, settings.workers) for k in mine}
        self.ctx = find_context(settings.ctx)
        check_fits(settings, len(self.vocab))

        network = get_network(settings.cell, settings.layers, dropout=settings.dropout)
        if index is None:  # cut as one of so many workers would, who have a share of the threads each
            network = network._replace(parts=max(1, network.parts // settings.workers))
        self.network = network
        mx.random.seed(settings.seed)
        self.params = self.network.get_params(
            len(self.vocab), settings.hidden_dim, self.ctx, scale=settings.scale
        )
        self.optimizer = Optimizer(settings.optimizer, self.params, settings.learning_rate)
        self.epoch = self.batch = self.num_chars = 0
        self.nats = self.seconds = 0.0
        self.state: tuple[mx.nd.NDArray, ...] | None = None
        self.note: Callable[[str], None] = lambda phase: None  # a watchdog may listen to what begins
        self.hurry: Callable[[int], None] = lambda number: None  # and to a signal, in another thread
        self.metrics: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}  # epoch and heldout_perplexity of the best so far
        self._best_params: dict[str, mx.nd.NDArray] = {}  # the best, as long as it is not on the disk
        try:
            next(self._batches())  # a corpus too short for one batch is refused here
        except ValueError as error:
            raise ValueError(f"{error}{', or give fewer workers' * (settings.workers > 1)}") from None
        self.learner: Network | Replica = self.network
        if index is None and settings.workers > 1:
            self.train_with(InTurn(settings.workers))

    # --- training ---

    def train_epoch(self) -> Iterator[int]:
        """Train on what is left of the epoch; after each batch yield its number of characters.

        Raises:
            FloatingPointError: a loss or gradient is not finite, or the loss has exploded.
        """
        steps = train_batches(
            self.network.rnn,
            self.params,
            self.network.init_state,
            itertools.islice(self._batches(), self.batch, None),
            self.optimizer,
            self.settings.theta,
            is_random_iter=self.is_random_iter,
            state=self.state,
            train_batch=self.learner.train_batch,
        )
        guessing = max(math.log(len(self.vocab)), 1)  # nats per character
        clock = time.perf_counter()
        for nats, num_chars, state in steps:
            if nats > EXPLODED * guessing:
                raise FloatingPointError(
                    f"the loss is {nats:.0f} nats per character, and guessing costs {guessing:.1f}"
                )
            self.note("computing")
            self.batch += 1
            num_chars *= self.settings.workers // len(self.shards)  # the others have read as many
            self.nats += nats * num_chars
            self.num_chars += num_chars
            self.state = None if self.is_random_iter else state
            now = time.perf_counter()
            self.seconds, clock = self.seconds + now - clock, now
            yield num_chars
            clock = time.perf_counter()  # what the caller does between two batches is not training

    def end_epoch(self) -> dict[str, Any]:
        """Measure the held-out text, append a line to metrics.jsonl, and make ready for the next epoch."""
        self.epoch += 1
        metrics = {
            "epoch": self.epoch,
            "train_perplexity": self.perplexity,
            "heldout_perplexity": self._heldout_perplexity(),
            "chars_per_second": round(self.num_chars / self.seconds, 1),
            "seconds": round(self.seconds, 3),
        }
        self.metrics.append(metrics)
        if self.is_first:
            _append(self.folder / METRICS, json.dumps(metrics) + "\n")
        heldout = metrics["heldout_perplexity"]
        if heldout is not None and heldout < self.best.get("heldout_perplexity", math.inf):
            self.best = {"epoch": self.epoch, "heldout_perplexity": heldout}
            self._best_params = {name: param.copy() for name, param in self.params._asdict().items()}
        self.batch = self.num_chars = 0
        self.nats = self.seconds = 0.0
        self.state = None
        return metrics

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run: others that train with it leave that to it."""
        return 0 in self.shards

    @property
    def is_random_iter(self) -> bool:
        """Whether batches are cut at random, so that no state is carried between them."""
        return self.settings.sampler == "random"

    @property
    def perplexity(self) -> float:
        """The training perplexity of the epoch so far."""
        return perplexity(self.nats / max(self.num_chars, 1))

    def samples(self) -> list[str]:
        """A continuation of every prefix, appended to samples.txt."""
        writer, greedy = self.network.writer(self.params), Choice(temperature=0)
        texts = generate_batch(self.prefixes, self.settings.pred_len, writer, self.vocab, greedy)
        _append(self.folder / SAMPLES, "\n".join([f"epoch {self.epoch}", *texts]) + "\n\n")
        return texts

    def _batches(self) -> Iterator[Any]:
        settings = self.settings
        place = settings.seed, self.epoch
        rng = np.random.default_rng(place)  # an epoch repeats without those before it
        data_iter: Any = data_iter_random if self.is_random_iter else data_iter_consecutive
        size, batches = (settings.batch_size, settings.num_steps), []
        length = len(next(iter(self.shards.values())))
        offset = fresh_offset(rng, length, *size, is_random_iter=self.is_random_iter)
        for index, indices in self.shards.items():
            if settings.workers > 1:
                rng = np.random.default_rng([*place, index])
            batches.append(data_iter(indices, *size, self.ctx, rng=rng, offset=offset))
        for pairs in zip(*batches):
            if settings.workers == 1:  # else Replica does it, before each shard
                self._seed(0)
            yield pairs[0] if len(pairs) == 1 else [mx.nd.concat(*each, dim=0) for each in zip(*pairs)]

    def _seed(self, index: int) -> None:
        """MXNet cannot tell the state of its generator: where it is used, each batch has a seed."""
        if self.settings.dropout:
            place = self.settings.seed, self.epoch, self.batch
            seeds = np.random.SeedSequence([*place, index] if self.settings.workers > 1 else place)
            mx.random.seed(int(seeds.generate_state(1)[0]))

    def _heldout_perplexity(self) -> float | None:
        if not len(self.heldout_indices):
            return None

        def get_heldout_rows(data: mx.nd.NDArray, vocab_size: int) -> mx.nd.NDArray:
            self.note("measuring")
            return get_rows(data, vocab_size)

        heldout = evaluate(
            self.network.rnn,
            self.params,
            self.network.init_state,
            self.heldout_indices,
            self.settings.batch_size,
            self.settings.num_steps,
            self.ctx,
            get_inputs=get_heldout_rows,
        )
        return heldout if math.isfinite(heldout) else None  # JSON has no infinity

    # --- several workers ---

    def train_with(self, workers: InTurn | Workers) -> None:
        """From now on every step is one of all workers."""
        hooks = self._seed, lambda: self.note("exchanging")
        self.workers, self.learner = workers, Replica(self.network, self.params, workers, *hooks)

    def agree(self, save: bool, stop: bool) -> tuple[bool, bool]:
        """Whether to save and whether to stop, now: the same in all workers, whoever asks for it."""
        if isinstance(self.workers, Workers) and isinstance(self.learner, Replica):
            return self.learner.agree(save, stop)
        return save, stop

    # --- the directory ---

    def begin(self, folder: Path) -> None:
        """Write config.json and a first checkpoint.

        Raises:
            OSError: the directory cannot be written.
        """
        self.folder = folder
        try:
            self._write_config()
            for name in (METRICS, SAMPLES):
                (folder / name).write_bytes(b"")
            self.save()
        except OSError as error:  # of a full disk Python does not say which file
            raise OSError(error.errno, f"the run cannot be begun: {error.strerror}", str(folder)) from None

    def config(self) -> dict[str, Any]:
        """What config.json holds: the settings, as they were chosen or by default, and the facts around."""
        return {
            **dataclasses.asdict(self.settings),
            "lr": self.settings.learning_rate,
            "clip": self.settings.theta,
            "prefix": list(self.prefixes),
            "facts": {
                "d2lrnn": __version__,
                "mxnet": mx.__version__,
                "numpy": np.__version__,
                "threads": f"{self.network.parts} x {os.environ['OMP_NUM_THREADS']}",
                "context": str(self.ctx),
                "corpus_sha256": self.corpus_sha256,
                "vocab_size": len(self.vocab),
                "train_chars": len(self.train_indices),
                "heldout_chars": len(self.heldout_indices),
            },
        }

    def _write_config(self) -> None:
        config = json.dumps(self.config(), ensure_ascii=False, indent=2) + "\n"
        write_atomically(self.folder / CONFIG, config.encode())

    def arrays(self) -> dict[str, mx.nd.NDArray]:
        """All that a step changes, under the names that it has in a checkpoint."""
        names = self.params._fields
        arrays = dict(zip(names, self.params))
        for name, (m, v) in zip(names, self.optimizer.states):
            arrays |= {f"adam_m_{name}": m, f"adam_v_{name}": v}
        return arrays | {f"state_{i}": S for i, S in enumerate(self.state or ())}

    def save(self) -> None:
        """Write a checkpoint: all that is needed to go on as if the run had never stopped.

        Where several workers train together all of them call it, and the first one writes.
        """
        arrays = self.arrays()
        if isinstance(self.workers, Workers):
            self.note("exchanging")
            for name in [name for name in arrays if name.startswith("state_")]:
                rows = self.workers.gather(name, arrays[name].asnumpy().reshape(1, -1))
                arrays[name] = mx.nd.array(rows.reshape(-1, self.settings.hidden_dim), self.ctx)
        if not self.is_first:
            return
        self.note("saving")
        facts: dict[str, Any] = {"config": self.config(), "chars": "".join(self.vocab.idx_to_char)}
        if self._best_params:
            save_next(self.folder / BEST, self._best_params, {**facts, **self.best})
            self._best_params = {}
        facts |= {
            "progress": {name: getattr(self, name) for name in PROGRESS},
            "t": self.optimizer.t,
            "best": self.best,
            "bytes": {name: (self.folder / name).stat().st_size for name in (METRICS, SAMPLES)},
        }
        self.last = save_next(self.folder / CHECKPOINTS, arrays, facts, previous=self.last)

    def resume(self, folder: Path, last: Path, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
        """Go on from what load_newest found in folder; forget what was logged after it.

        Raises:
            ValueError: the checkpoint is of another corpus or network.
        """
        self.folder, self.last = folder, last
        found, ours = facts["config"]["facts"], self.config()["facts"]
        if found["corpus_sha256"] != self.corpus_sha256:
            raise ValueError(
                f"{folder}: the corpus {self.settings.corpus} is not the one that this run began with"
            )
        for name in ("d2lrnn", "mxnet", "numpy", "threads", "context"):
            if found[name] != ours[name]:
                warn(
                    f"{folder}: {name} was {found[name]} and is {ours[name]}: "
                    "the last digits of the numbers may differ"
                )
        names = check_shapes(self.network, len(self.vocab), self.settings.hidden_dim, arrays, last)
        for name, param in zip(names, self.params):
            param[:] = arrays[name]
        self.optimizer.t = facts["t"]
        for name, (m, v) in zip(names, self.optimizer.states):
            m[:], v[:] = arrays[f"adam_m_{name}"], arrays[f"adam_v_{name}"]
        for name in PROGRESS:
            setattr(self, name, facts["progress"][name])
        state = [arrays[f"state_{i}"] for i in range(sum(name.startswith("state_") for name in arrays))]
        self.state = tuple(S.as_in_context(self.ctx) for S in state) or None
        self.best = facts["best"]
        for name, size in facts["bytes"].items():
            with open(folder / name, "ab") as log:
                log.truncate(min(log.tell(), size))
        self.metrics = _read_metrics(folder / METRICS)
        if [line["epoch"] for line in self.metrics] != list(range(1, self.epoch + 1)):
            warn(
                f"{folder / METRICS} is damaged: only {len(self.metrics)} of {self.epoch} epochs "
                "are in the curve"
            )
        self._write_config()

    def draw_curve(self) -> None:
        """curve.svg from metrics.jsonl."""
        from .plot import draw_curve  # matplotlib takes half a second to load

        write_atomically(self.folder / CURVE, draw_curve(self.metrics))


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that are whole."""
    metrics = []
    for line in path.read_bytes().splitlines():
        try:
            read = json.loads(line)
            perplexities = {key: None if read[key] is None else float(read[key]) for key in PERPLEXITIES}
            metrics.append({"epoch": int(read["epoch"]), **perplexities})
        except (KeyError, TypeError, ValueError, RecursionError):
            continue
    return metrics


def _append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)
