"""A training run: what dataset.py has read is learned, and kept in a directory."""

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
from ..checkpoint import save_next
from ..cli import warn
from ..decoding import Choice, generate_batch
from ..dist import InTurn, Replica, Workers
from ..fast import Network, get_network, get_rows
from ..optim import Optimizer
from ..sampling import Batch
from ..training import evaluate, train_batches
from .dataset import check_fits, cut_batches, cut_shards, find_context, load_dataset
from .directory import BEST, LOGS, METRICS, SAMPLES, Checkpoint, Directory, Progress, check_shapes
from .settings import Settings

EXPLODED = 10  # times the loss of guessing: no run that learns comes near
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_memory() -> None:
    """Have the C library keep the memory that arrays leave, for the next ones: MXNet has no pool of its own.

    Otherwise glibc gives large blocks back to the system, and gets them again page by page, in every batch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


class Run:
    """A network on its way through a corpus, and, once begun or resumed, the directory that keeps it.

    shards: what this process reads of the corpus, by the number of the worker. state: the hidden state that
    consecutive batches carry, of all these shards. best: epoch and heldout_perplexity of the best so far.
    note: is told what begins.
    """

    directory: Directory

    def __init__(self, settings: Settings, index: int | None = None) -> None:
        """Read the corpus and draw the first parameters; nothing is written yet.

        index: which of the settings' workers this is (None: all of them, in turn).

        Raises:
            ValueError, FileNotFoundError: settings that do not go together with each other or with the
            corpus.
        """
        self.settings, self.dataset = settings, load_dataset(settings)
        self.vocab = self.dataset.vocab
        self.shards = cut_shards(self.dataset.train_indices, settings.workers, index)
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
        self.progress = Progress()
        self.state: tuple[mx.nd.NDArray, ...] | None = None
        self.note: Callable[[str], None] = lambda phase: None
        self.metrics: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self._best_params: dict[str, mx.nd.NDArray] = {}  # the best, as long as it is not on the disk
        try:
            next(self._batches())  # a corpus too short for one batch is refused here
        except ValueError as error:
            raise ValueError(f"{error}, or give fewer workers" if settings.workers > 1 else error) from None
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
            itertools.islice(self._batches(), self.progress.batch, None),
            self.optimizer,
            self.settings.theta,
            is_random_iter=self.settings.is_random_iter,
            state=self.state,
            train_batch=self.learner.train_batch,
        )
        guessing = max(math.log(len(self.vocab)), 1)  # nats per character
        progress, clock = self.progress, time.perf_counter()
        for nats, num_chars, state in steps:
            if nats > EXPLODED * guessing:
                raise FloatingPointError(
                    f"the loss is {nats:.0f} nats per character, and guessing costs {guessing:.1f}"
                )
            self.note("computing")
            progress.batch += 1
            num_chars *= self.settings.workers // len(self.shards)  # the others have read as many
            progress.nats += nats * num_chars
            progress.num_chars += num_chars
            self.state = None if self.settings.is_random_iter else state
            now = time.perf_counter()
            progress.seconds, clock = progress.seconds + now - clock, now
            yield num_chars
            clock = time.perf_counter()  # what the caller does between two batches is not training

    def end_epoch(self) -> dict[str, Any]:
        """Measure the held-out text, append a line to metrics.jsonl, and make ready for the next epoch."""
        done, epoch = self.progress, self.progress.epoch + 1
        heldout = self._heldout_perplexity()
        metrics = {
            "epoch": epoch,
            "train_perplexity": done.perplexity,
            "heldout_perplexity": heldout,
            "chars_per_second": round(done.num_chars / done.seconds, 1),
            "seconds": round(done.seconds, 3),
        }
        self.metrics.append(metrics)
        if self.is_first:
            self.directory.log(METRICS, json.dumps(metrics) + "\n")
        if heldout is not None and heldout < self.best.get("heldout_perplexity", math.inf):
            self.best = {"epoch": epoch, "heldout_perplexity": heldout}
            self._best_params = {name: param.copy() for name, param in self.params._asdict().items()}
        self.progress, self.state = Progress(epoch), None
        return metrics

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run: others that train with it leave that to it."""
        return 0 in self.shards

    def samples(self) -> list[str]:
        """A continuation of every prefix, appended to samples.txt."""
        writer, greedy = self.network.writer(self.params), Choice(temperature=0)
        prefixes, length = self.dataset.prefixes, self.settings.pred_len
        texts = generate_batch(prefixes, length, writer, self.vocab, greedy)
        self.directory.log(SAMPLES, "\n".join([f"epoch {self.progress.epoch}", *texts]) + "\n\n")
        return texts

    def _batches(self) -> Iterator[Batch]:
        for batch in cut_batches(self.settings, self.shards, self.progress.epoch, self.ctx):
            if self.settings.workers == 1:  # else Replica does it, before each shard
                self._seed(0)
            yield batch

    def _seed(self, index: int) -> None:
        """MXNet cannot tell the state of its generator: where it is used, each batch has a seed."""
        if self.settings.dropout:
            place = self.settings.seed, self.progress.epoch, self.progress.batch
            seeds = np.random.SeedSequence([*place, index] if self.settings.workers > 1 else place)
            mx.random.seed(int(seeds.generate_state(1)[0]))

    def _heldout_perplexity(self) -> float | None:
        if not len(self.dataset.heldout_indices):
            return None

        def get_heldout_rows(data: mx.nd.NDArray, vocab_size: int) -> mx.nd.NDArray:
            self.note("measuring")
            return get_rows(data, vocab_size)

        heldout = evaluate(
            self.network.rnn,
            self.params,
            self.network.init_state,
            self.dataset.heldout_indices,
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
        self.learner = Replica(self.network, self.params, workers, *hooks)

    @property
    def workers(self) -> InTurn | Workers | None:
        """Who trains together, if it is more than this process."""
        return self.learner.workers if isinstance(self.learner, Replica) else None

    def agree(self, save: bool, stop: bool) -> tuple[bool, bool]:
        """Whether to save and whether to stop, now: the same in all workers, whoever asks for it."""
        if isinstance(self.learner, Replica) and isinstance(self.workers, Workers):
            return self.learner.agree(save, stop)
        return save, stop

    # --- what is kept ---

    def begin(self, folder: Path) -> None:
        """Write config.json and a first checkpoint.

        Raises:
            OSError: the directory cannot be written.
        """
        self.directory = Directory(folder)
        try:
            self.directory.write_config(self.config())
            self.directory.cut_logs(dict.fromkeys(LOGS, 0))
            self.save()
        except OSError as error:  # of a full disk Python does not say which file
            raise OSError(error.errno, f"the run cannot be begun: {error.strerror}", str(folder)) from None

    def config(self) -> dict[str, Any]:
        """What config.json holds: the settings, as they were chosen or by default, and the facts around."""
        return {
            **dataclasses.asdict(self.settings),
            "lr": self.settings.learning_rate,
            "clip": self.settings.theta,
            "prefix": list(self.dataset.prefixes),
            "facts": {
                "d2lrnn": __version__,
                "mxnet": mx.__version__,
                "numpy": np.__version__,
                "threads": f"{self.network.parts} x {os.environ['OMP_NUM_THREADS']}",
                "context": str(self.ctx),
                "corpus_sha256": self.dataset.sha256,
                "vocab_size": len(self.vocab),
                "train_chars": len(self.dataset.train_indices),
                "heldout_chars": len(self.dataset.heldout_indices),
            },
        }

    def arrays(self) -> dict[str, mx.nd.NDArray]:
        """All that a step changes, under the names that it has in a checkpoint."""
        arrays = self.params._asdict()
        for name, (m, v) in zip(self.params._fields, self.optimizer.states):
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
        facts = {"config": self.config(), "chars": "".join(self.vocab.idx_to_char)}
        if self._best_params:
            save_next(self.directory.path / BEST, self._best_params, {**facts, **self.best})
            self._best_params = {}
        progress = {"progress": dataclasses.asdict(self.progress), "t": self.optimizer.t, "best": self.best}
        self.directory.save(arrays, {**facts, **progress})

    def resume(self, folder: Path, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint in folder; forget what was logged after it.

        Raises:
            ValueError: the checkpoint is of another corpus or network.
        """
        last, arrays, facts = checkpoint
        self.directory = Directory(folder, last)
        self._compare(facts["config"]["facts"])
        found = check_shapes(self.network, len(self.vocab), self.settings.hidden_dim, checkpoint)
        for name, param in self.params._asdict().items():
            param[:] = found[name]
        for name, (m, v) in zip(self.params._fields, self.optimizer.states):
            m[:], v[:] = arrays[f"adam_m_{name}"], arrays[f"adam_v_{name}"]
        state = [arrays[f"state_{i}"] for i in range(sum(name.startswith("state_") for name in arrays))]
        self.state = tuple(S.as_in_context(self.ctx) for S in state) or None
        self.optimizer.t, self.best = facts["t"], facts["best"]
        self.progress = Progress(**facts["progress"])
        self.directory.cut_logs(facts["bytes"])
        self.metrics, num_epochs = self.directory.read_metrics(), self.progress.epoch
        if [line["epoch"] for line in self.metrics] != list(range(1, num_epochs + 1)):
            warn(
                f"{folder / METRICS} is damaged: only {len(self.metrics)} of {num_epochs} epochs "
                "are in the curve"
            )
        self.directory.write_config(self.config())

    def _compare(self, found: dict[str, Any]) -> None:
        """The facts of a checkpoint with ours.

        Raises:
            ValueError: it is of another corpus.
        """
        folder, ours = self.directory.path, self.config()["facts"]
        if found["corpus_sha256"] != self.dataset.sha256:
            raise ValueError(
                f"{folder}: the corpus {self.settings.corpus} is not the one that this run began with"
            )
        for name in ("d2lrnn", "mxnet", "numpy", "threads", "context"):
            if found[name] != ours[name]:
                warn(
                    f"{folder}: {name} was {found[name]} and is {ours[name]}: "
                    "the last digits of the numbers may differ"
                )
