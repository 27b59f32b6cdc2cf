"""A training run: it learns what dataset.py has read, and is kept in a directory."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from .. import ENGINE, __version__
from ..checkpoint import save_next
from ..cli import warn
from ..decoding import Choice, generate_batch
from ..dist import InTurn, Replica, Workers
from ..fast import get_rows
from ..heldout import should_stop
from ..loss import perplexity
from ..optim import Optimizer, learning_rate
from ..sampling import Batch
from ..training import evaluate, train_batches
from .averaging import take_into_mean
from .dataset import (
    LISTED_DOCUMENTS,
    STRETCHES,
    check_fits,
    count_batches,
    cut_batches,
    cut_rows,
    cut_shards,
    find_context,
    load_dataset,
    log_frequencies,
    share_of_unseen,
)
from .directory import MEAN, Checkpoint, Directory, Progress, check_shapes, newest
from .folder import BEST, LOGS, METRICS, SAMPLES
from .regularised import Regularised, get_regularised, untied
from .settings import Settings
from .writing import format_samples

EXPLODED = 10  # times the loss of guessing: no run that learns comes near
AT_ONCE = 2**11  # characters, at most, are measured at once: more take memory and save no time
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_memory() -> None:
    """Have the C library keep the memory that arrays leave, for the next ones: MXNet has no pool of its own.

    Otherwise glibc gives large blocks back to the system, and gets them again page by page, in every batch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def stalls(settings: Settings, epoch: int, best: Mapping[str, Any]) -> bool:
    """Whether early stopping ends a run after this epoch, given the best so far: lesson 14's rule.

    Of the other epochs it is enough to know that they were not better: they count as those that end in NaN.
    """
    if not settings.early_stop or not epoch:
        return False
    perplexities = [math.nan] * epoch
    if best:
        perplexities[best["epoch"] - 1] = best["heldout_perplexity"]
    return should_stop(perplexities, settings.early_stop)


class Run:
    """A network on its way through a corpus, and, once begun or resumed, the directory that keeps it.

    shards: what this process reads of the corpus, by the number of the worker. state: the hidden state that
    consecutive batches carry, of all these shards. best: epoch and heldout_perplexity of the best so far.
    measured: the weights that are measured, kept as the best and written with: params, or their running mean.
    by_text: which settings were chosen because the text is sparse, in words. note: is told what begins.
    origin: which weights it began with, if not with random ones.
    """

    directory: Directory

    def __init__(
        self, settings: Settings, index: int | None = None, folder: Path | None = None, **check: Any
    ) -> None:
        """Read the corpus and draw the first parameters; nothing is written yet.

        index: which of the settings' workers this is (None: all of them, in turn). folder: where it will be,
        if its text was read from the standard input, which is kept there. check: as load_dataset has it.

        Raises:
            ValueError, FileNotFoundError: settings that do not go together with each other or with the
            corpus.
        """
        self.dataset = load_dataset(settings, folder, **check)
        self.vocab = self.dataset.vocab
        sizes = len(self.dataset.train_indices), len(self.dataset.heldout_indices), len(self.vocab)
        self.by_text = settings.say_if_sparse(sizes[0], len(self.vocab))
        warmup = settings.given_warmup(*sizes)
        self.settings = settings = settings.chosen(*sizes)
        self.shards = cut_shards(self.dataset.train_indices, settings.workers, index)
        for note in self.dataset.notes if self.is_first else ():
            warn(note)
        self.ctx = find_context(settings.ctx)
        check_fits(settings, len(self.vocab))

        unseen = share_of_unseen(self.dataset) if settings.unseen == "good-turing" else np.zeros(0)
        network = get_regularised(settings, mx.nd.array(unseen, self.ctx) if unseen.any() else None)
        if index is None:  # cut as one of the workers would, each with its share of the threads
            network = network.cut(max(1, network.parts // settings.workers))
        self.network = network
        self.measured = self.params = self._first_params(unseen)
        if settings.average:
            self.measured = type(self.params)(*(param.copy() for param in self.params))
        self.optimizer = Optimizer(
            settings.optimizer, self.params, settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.num_updates = self._count_updates() if settings.schedule == "cosine" else 0
        self.progress = Progress()
        self.state: tuple[mx.nd.NDArray, ...] | None = None
        self.note: Callable[[str], None] = lambda phase: None
        self.metrics: list[dict[str, Any]] = []
        self.has_stalled, self.written = False, list[str]()
        self.best: dict[str, Any] = {}
        self.origin: dict[str, Any] = {}
        self._best_params: dict[str, mx.nd.NDArray] = {}  # the best, as long as it is not on the disk
        self._check_batches(warmup)
        self.learner: Regularised | Replica = self.network
        if index is None and settings.workers > 1:
            self.train_with(InTurn(settings.workers))

    def _check_batches(self, warmup: int) -> None:
        try:
            next(self._batches())  # a corpus too short for one batch is refused here
        except ValueError as error:
            several = self.settings.workers > 1
            raise ValueError(f"{error}, or give fewer workers" if several else error) from None
        if warmup and self.is_first and self._count_updates(warmup) <= warmup:
            warn(f"--warmup {warmup}: training ends before the learning rate reaches --lr")

    def _first_params(self, unseen: np.ndarray) -> Any:
        """Weights at random, the same for the same seed; the output bias as --init-bias says.

        unseen: share_of_unseen, or empty.
        """
        settings = self.settings
        mx.random.seed(settings.seed)
        params = self.network.get_params(len(self.vocab), settings.hidden_dim, self.ctx, scale=settings.scale)
        if settings.init_bias == "frequencies":
            params.b_y[:] = mx.nd.array(log_frequencies(self.dataset, unseen), self.ctx)
        return params

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
            self._batches(),
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
            if self.settings.average:
                take_into_mean(self.params, self.measured, self.settings.average, self.optimizer.t)
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
        """Measure the held-out text, append a line to metrics.jsonl, and prepare the next epoch."""
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
            self._best_params = {name: param.copy() for name, param in self.measured._asdict().items()}
        self.progress, self.state = Progress(epoch), None
        self.has_stalled = stalls(self.settings, epoch, self.best)
        return metrics

    @property
    def is_over(self) -> bool:
        """Whether the run has had its epochs, or the last few of them brought no improvement."""
        return self.has_stalled or self.progress.epoch >= self.settings.epochs

    @property
    def num_params(self) -> int:
        """How many numbers are learnt."""
        return sum(param.size for param in self.params)

    @property
    def heldout_rows(self) -> np.ndarray:
        """What is measured after each epoch, in rows of the same length; of a sample these are stretches."""
        num_rows = STRETCHES if self.dataset.is_sampled else self.settings.batch_size
        return cut_rows(self.dataset.measured_indices, num_rows)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run: others that train with it leave that to it."""
        return 0 in self.shards

    def samples(self, params: Sequence[mx.nd.NDArray] | None = None, what: str = "") -> list[str]:
        """A continuation of every prefix, appended to samples.txt.

        params: what writes them (None: what is measured), and what says so there. What is drawn depends on
        the run's seed and the epoch alone, not on what was written before.
        """
        writer = self.network.writer(self.measured if params is None else params)
        place = np.random.SeedSequence([self.settings.seed, self.progress.epoch])
        choice = Choice(self.settings.temperature, seed=int(place.generate_state(1)[0]))
        prefixes, length = self.dataset.prefixes, self.settings.pred_len
        texts = generate_batch(prefixes, length, writer, self.vocab, choice)
        self.directory.log(SAMPLES, format_samples(self.progress.epoch, prefixes, texts, self.vocab, what))
        self.written = texts
        return texts

    def best_params(self) -> Sequence[mx.nd.NDArray] | None:
        """The weights that did best on held-out text; None if nothing was held out.

        Raises:
            FileNotFoundError, ValueError: they were on the disk, and no longer are, or damaged.
        """
        arrays: Mapping[str, mx.nd.NDArray] = self._best_params
        if self.best and not arrays:
            found = newest(self.directory.path / BEST, self.ctx)
            arrays = check_shapes(self.network, len(self.vocab), self.settings.hidden_dim, found)
        return type(self.params)(**arrays) if arrays else None

    def measure(self, params: Sequence[mx.nd.NDArray], rows: np.ndarray) -> float:
        """The perplexity of params on rows of characters, each read from a state of zeros to its end.

        No more characters are read at once than a batch has, so that its memory is enough.
        """

        def get_noted_rows(data: mx.nd.NDArray, vocab_size: int) -> mx.nd.NDArray:
            self.note("measuring")
            return get_rows(data, vocab_size)

        network, settings = self.network, self.settings
        num_steps = max(1, min(settings.batch_size * settings.num_steps, AT_ONCE) // len(rows))
        how = network.init_state, rows.reshape(-1), len(rows), num_steps, self.ctx
        return evaluate(network.rnn, untied(params), *how, get_inputs=get_noted_rows)

    def _batches(self) -> Iterator[Batch]:
        batches = cut_batches(self.settings, self.shards, self.progress.epoch, self.ctx)
        for batch in itertools.islice(batches, self.progress.batch, None):
            self.optimizer.lr = self._learning_rate(batch[0].shape[1])
            if self.settings.workers == 1:  # else Replica does it, before each shard
                self._seed(0)
            yield batch

    def _learning_rate(self, num_steps: int) -> float:
        """That of the next step, in proportion to the num_steps steps of its window, as in lesson 19."""
        settings, t, last = self.settings, self.optimizer.t + 1, self.num_updates
        share = num_steps / settings.num_steps
        return share * learning_rate(
            min(t, last or t),
            settings.learning_rate,
            schedule=settings.schedule,
            warmup=settings.warmup or 0,
            num_updates=last,
        )

    def _count_updates(self, enough: float = math.inf) -> int:
        """How many steps all epochs have; counting ends when it is more than enough."""
        total = 0
        for count in count_batches(self.settings, len(next(iter(self.shards.values())))):
            total += count
            if total > enough:
                break
        return total

    def _seed(self, index: int) -> None:
        """MXNet cannot tell the state of its generator: where it is used, each batch has a seed."""
        if self.network.how.draws:
            place = self.settings.seed, self.progress.epoch, self.progress.batch
            seeds = np.random.SeedSequence([*place, index] if self.settings.workers > 1 else place)
            mx.random.seed(int(seeds.generate_state(1)[0]))

    def _heldout_perplexity(self) -> float | None:
        if not self.heldout_rows.size:
            return None
        measure = self._measure_together if self.workers else self.measure
        heldout = measure(self.measured, self.heldout_rows)
        return heldout if math.isfinite(heldout) else None  # JSON has no infinity

    # --- several workers ---

    def _measure_together(self, params: Sequence[mx.nd.NDArray], rows: np.ndarray) -> float:
        """As measure, each worker reading its share of the rows: all of them return the same number."""
        assert self.workers
        shares = np.array_split(rows, self.workers.num_workers)
        mine = [shares[index] for index in self.workers.shards]
        found = [(math.log(self.measure(params, share)) if len(share) else 0, len(share)) for share in mine]
        self.note("exchanging")
        nats, sizes = self.workers.gather("heldout", np.array(found, np.float32)).T.astype(float)
        return perplexity(np.average(nats, weights=sizes))

    def train_with(self, workers: InTurn | Workers) -> None:
        """From now on all workers take every step together."""
        hooks = self._seed, lambda: self.note("exchanging")
        self.learner = Replica(self.network, self.params, workers, *hooks)

    @property
    def workers(self) -> InTurn | Workers | None:
        """The workers that train together, if there are more than this process."""
        return self.learner.workers if isinstance(self.learner, Replica) else None

    def agree(self, save: bool, stop: bool) -> tuple[bool, bool]:
        """Whether to save and whether to stop, now: the same in all workers, whichever asks for it."""
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
            for key, lines in self.dataset.lists().items():
                if len(lines) > LISTED_DOCUMENTS:
                    self.directory.write_list(key, lines)
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
            "lines": self.dataset.manner.lines,
            "normalize": self.dataset.manner.normalize,
            "prefix": list(self.dataset.prefixes),
            "facts": {
                "d2lrnn": __version__,
                "mxnet": mx.__version__,
                "numpy": np.__version__,
                "engine": str(ENGINE),
                "threads": f"{self.network.parts} x {os.environ['OMP_NUM_THREADS']}",
                "context": str(self.ctx),
                **self.dataset.facts(),
                **({"init": self.origin} if self.origin else {}),
            },
        }

    def arrays(self) -> dict[str, mx.nd.NDArray]:
        """All that a step changes, under the names that it has in a checkpoint."""
        arrays = self.params._asdict()
        for name, (m, v) in zip(self.params._fields, self.optimizer.states):
            arrays |= {f"adam_m_{name}": m, f"adam_v_{name}": v}
        if self.settings.average:
            arrays |= {f"{MEAN}{name}": mean for name, mean in self.measured._asdict().items()}
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
        """Go on from a checkpoint in folder, of the same corpus; forget what was logged after it.

        Raises:
            ValueError: the checkpoint is of another network.
        """
        last, arrays, facts = checkpoint
        self.directory = Directory(folder, last)
        self._compare(facts["config"]["facts"])
        sizes = len(self.vocab), self.settings.hidden_dim
        for params, prefix in ((self.params, ""), (self.measured, MEAN))[: 1 + bool(self.settings.average)]:
            found = check_shapes(self.network, *sizes, checkpoint, prefix)
            for name, param in params._asdict().items():
                param[:] = found[name]
        for name, (m, v) in zip(self.params._fields, self.optimizer.states):
            m[:], v[:] = arrays[f"adam_m_{name}"], arrays[f"adam_v_{name}"]
        state = [arrays[f"state_{i}"] for i in range(sum(name.startswith("state_") for name in arrays))]
        self.state = tuple(S.as_in_context(self.ctx) for S in state) or None
        self.optimizer.t, self.best = facts["t"], facts["best"]
        self.origin = facts["config"]["facts"].get("init", {})
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
        """The facts of a checkpoint with ours: what decides the last digits."""
        folder, ours = self.directory.path, self.config()["facts"]
        for name in ("d2lrnn", "mxnet", "numpy", "engine", "threads", "context"):
            theirs = found.get(name, "1")  # the first engine left no number
            if theirs != ours[name]:
                warn(
                    f"{folder}: {name} was {theirs} and is {ours[name]}: "
                    "the last digits of the numbers may differ"
                )
