"""A training run: what it learns from, how far it has come, and how that is kept."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

from . import __version__
from .checkpoint import save_next, write_atomically
from .checks import check_memory
from .config import PREFIXES, Settings
from .corpora import BLOCK, find_corpus, read_corpus
from .decoding import encode_prefix, generate_batch
from .fast import CELLS, get_network, get_rows
from .folder import BEST, CHECKPOINTS, CONFIG, CURVE, METRICS, PROGRESS, SAMPLES, check_shapes
from .learning import train_batch
from .loss import perplexity
from .optim import Optimizer
from .sampling import data_iter_consecutive, data_iter_random, fresh_offset, try_gpu
from .terminal import warn
from .text import Vocab, one_line
from .training import evaluate, train_batches

EXPLODED = 10  # times the loss of guessing: no run that learns comes near
THREADS = ("MXNET_CPU_WORKER_NTHREADS", "OMP_NUM_THREADS")
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
    state: the hidden state that consecutive batches carry. last: the newest checkpoint on the disk.
    """

    folder: Path
    last: Path | None = None

    def __init__(self, settings: Settings) -> None:
        """Read the corpus and draw the first parameters; nothing is written yet.

        Raises:
            ValueError, FileNotFoundError: settings that do not go together with each other or with the
            corpus.
        """
        keep_memory()
        self.settings = settings
        indices = self._load_corpus()
        num_train = len(indices) - int(len(indices) * settings.heldout)
        self.train_indices, self.heldout_indices = indices[:num_train], indices[num_train:]
        if settings.heldout and len(self.heldout_indices) < 2:
            raise ValueError(
                f"--heldout {settings.heldout}: not two of {len(indices)} characters; give more, or 0"
            )
        self.ctx = _context(settings.ctx)
        _check_memory(settings, len(self.vocab))

        self.network = get_network(settings.cell, settings.layers, dropout=settings.dropout)
        mx.random.seed(settings.seed)
        self.params = self.network.get_params(
            len(self.vocab), settings.hidden_dim, self.ctx, scale=settings.scale
        )
        self.optimizer = Optimizer(settings.optimizer, self.params, settings.learning_rate)
        self.epoch = self.batch = self.num_chars = 0
        self.nats = self.seconds = 0.0
        self.state: tuple[mx.nd.NDArray, ...] | None = None
        self.metrics: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}  # epoch and heldout_perplexity of the best so far
        self._best_params: dict[str, mx.nd.NDArray] = {}  # the best, as long as it is not on the disk
        next(self._batches())  # a corpus too short for one batch is refused here

    def _load_corpus(self) -> np.ndarray:
        """The corpus as indices; its text is not kept. On a terminal a long one is read with a bar."""
        from tqdm import tqdm

        settings, form = self.settings, "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        # total: to read, to count and to look up, which take about as long as each other
        with tqdm(desc="reading", total=3, bar_format=form, delay=1, disable=None, leave=False) as bar:
            keep = settings.max_chars and 2 * settings.max_chars  # each may be a line end of two characters
            text = read_corpus(find_corpus(settings.corpus), keep=keep, progress=bar.update)
            text = one_line(text)[: settings.max_chars]
            sha256 = hashlib.sha256()
            for start in range(0, len(text), BLOCK):
                sha256.update(text[start : start + BLOCK].encode())
            self.corpus_sha256 = sha256.hexdigest()
            self.vocab = Vocab(text)
            bar.update()
            self.prefixes = settings.prefix or _default_prefixes(text, self.vocab)
            for prefix in self.prefixes:
                encode_prefix(prefix, settings.pred_len, self.vocab)
            indices = self.vocab.to_indices(text)
            bar.update()
        return indices

    # --- training ---

    def train_epoch(self) -> Iterator[int]:
        """Train on what is left of the epoch; after each batch yield its number of characters.

        Raises:
            FloatingPointError: a loss or gradient is not finite, or the loss has exploded.
        """
        steps = train_batches(
            self.network,
            self.params,
            self.network.init_state,
            itertools.islice(self._batches(), self.batch, None),
            self.optimizer,
            self.settings.theta,
            is_random_iter=self.is_random_iter,
            state=self.state,
            train_batch=train_batch,
        )
        guessing = max(math.log(len(self.vocab)), 1)  # nats per character
        clock = time.perf_counter()
        for nats, num_chars, state in steps:
            if nats > EXPLODED * guessing:
                raise FloatingPointError(
                    f"the loss is {nats:.0f} nats per character, and guessing costs {guessing:.1f}"
                )
            self.batch += 1
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
    def is_random_iter(self) -> bool:
        """Whether batches are cut at random, so that no state is carried between them."""
        return self.settings.sampler == "random"

    @property
    def perplexity(self) -> float:
        """The training perplexity of the epoch so far."""
        return perplexity(self.nats / max(self.num_chars, 1))

    def samples(self) -> list[str]:
        """A continuation of every prefix, appended to samples.txt."""
        writer = self.network.writer(self.params)
        texts = generate_batch(
            self.prefixes,
            self.settings.pred_len,
            writer.read,
            self.params,
            self.network.init_state,
            self.settings.hidden_dim,
            self.vocab,
            self.ctx,
            temperature=0,
            reads_indices=True,
            go_on=writer.go_on,
        )
        _append(self.folder / SAMPLES, "\n".join([f"epoch {self.epoch}", *texts]) + "\n\n")
        return texts

    def _batches(self) -> Iterator[Any]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.epoch])  # an epoch repeats without those before it
        data_iter: Any = data_iter_random if self.is_random_iter else data_iter_consecutive
        size = settings.batch_size, settings.num_steps
        offset = fresh_offset(rng, len(self.train_indices), *size, is_random_iter=self.is_random_iter)
        batches = data_iter(self.train_indices, *size, self.ctx, rng=rng, offset=offset)
        for batch, data_and_label in enumerate(batches):
            if settings.dropout:  # MXNet cannot tell the state of its generator: each batch has a seed
                seeds = np.random.SeedSequence([settings.seed, self.epoch, batch])
                mx.random.seed(int(seeds.generate_state(1)[0]))
            yield data_and_label

    def _heldout_perplexity(self) -> float | None:
        if not len(self.heldout_indices):
            return None
        heldout = evaluate(
            self.network.rnn,
            self.params,
            self.network.init_state,
            self.heldout_indices,
            self.settings.batch_size,
            self.settings.num_steps,
            self.ctx,
            get_inputs=get_rows,
        )
        return heldout if math.isfinite(heldout) else None  # JSON has no infinity

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
                "threads": " x ".join(os.environ[name] for name in THREADS),
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

    def save(self) -> None:
        """Write a checkpoint: all that is needed to go on as if the run had never stopped."""
        facts: dict[str, Any] = {"config": self.config(), "chars": "".join(self.vocab.idx_to_char)}
        if self._best_params:
            save_next(self.folder / BEST, self._best_params, {**facts, **self.best})
            self._best_params = {}
        names = self.params._fields
        arrays = dict(zip(names, self.params))
        for name, (m, v) in zip(names, self.optimizer.states):
            arrays |= {f"adam_m_{name}": m, f"adam_v_{name}": v}
        arrays |= {f"state_{i}": S for i, S in enumerate(self.state or ())}
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
        self.state = tuple(state) or None
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
        from .curve import draw_curve  # matplotlib takes half a second to load

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


def _default_prefixes(text: str, vocab: Vocab) -> tuple[str, ...]:
    """Those of the tutorial that this corpus can spell; else how it begins."""
    return tuple(p for p in PREFIXES if set(p) <= vocab.char_to_idx.keys()) or (text.lstrip()[:5],)


def _context(name: str) -> mx.Context:
    if name == "cpu":
        return mx.cpu()
    if name == "gpu" and try_gpu() == mx.cpu():
        raise ValueError("--ctx gpu: MXNet sees no GPU here; give cpu or auto (GPUs need the extra cu112)")
    return try_gpu()


def _check_memory(settings: Settings, vocab_size: int) -> None:
    """Refuse sizes that cannot fit, before MXNet is asked for them."""
    rows, gates = settings.batch_size * settings.num_steps, CELLS[settings.cell].num_gates
    width = settings.hidden_dim
    weights = (2 * vocab_size + 1) * width * gates + 2 * settings.layers * gates * width * (width + 1)
    floats = weights * (4 if settings.optimizer == "adam" else 2) + rows * (
        3 * vocab_size + 6 * gates * settings.layers * width
    )
    remedy = "give a smaller --hidden-dim, --batch-size, --num-steps or --layers"
    check_memory("these settings need", 4 * floats, remedy)
