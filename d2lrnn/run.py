"""A training run and its directory: what it learns from, how far it has come, which files it leaves."""

from __future__ import annotations

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
from .checkpoint import load_checkpoint, save_checkpoint, write_atomically
from .config import PREFIXES, Settings
from .decoding import encode_prefix, predict_rnn
from .fast import CELLS, get_network, get_rows
from .loss import perplexity
from .optim import Optimizer
from .sampling import data_iter_consecutive, data_iter_random, fresh_offset, try_gpu
from .text import Vocab, load_corpus
from .training import evaluate, train_batches

CONFIG, METRICS, SAMPLES, CURVE = "config.json", "metrics.jsonl", "samples.txt", "curve.svg"
CHECKPOINT = "checkpoint.npz"


class Run:
    """A corpus, a network on its way, and a directory.

    epoch: how many are done. batch, nats, num_chars, seconds: how far the one that is going on has come.
    state: the hidden state that consecutive batches carry.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Read the corpus and draw the first parameters; nothing is written yet.

        Raises:
            ValueError, FileNotFoundError: settings that do not go together with each other or with the
            corpus.
        """
        self.folder, self.settings = folder, settings
        text = load_corpus(settings.corpus, max_chars=settings.max_chars)
        self.corpus_sha256 = hashlib.sha256(text.encode()).hexdigest()
        self.vocab = Vocab(text)
        self.prefixes = settings.prefix or _default_prefixes(text)
        for prefix in self.prefixes:
            encode_prefix(prefix, settings.pred_len, self.vocab)
        indices = np.array(self.vocab.encode(text), np.int32)
        num_train = len(indices) - int(len(indices) * settings.heldout)
        self.train_indices, self.heldout_indices = indices[:num_train], indices[num_train:]
        if settings.heldout and len(self.heldout_indices) < 2:
            raise ValueError(
                f"--heldout {settings.heldout}: not two of {len(indices)} characters; give more, or 0"
            )
        self.ctx = _context(settings.ctx)
        _check_memory(settings, len(self.vocab))

        self.network = get_network(settings.cell, settings.layers)
        mx.random.seed(settings.seed)
        self.params = self.network.get_params(
            len(self.vocab), settings.hidden_dim, self.ctx, scale=settings.scale
        )
        self.optimizer = Optimizer(settings.optimizer, self.params, settings.learning_rate)
        self.epoch = self.batch = self.num_chars = 0
        self.nats = self.seconds = 0.0
        self.state: tuple[mx.nd.NDArray, ...] | None = None
        next(self._batches())  # a corpus too short for one batch is refused here

    # --- training ---

    def train_epoch(self) -> Iterator[int]:
        """Train on what is left of the epoch; after each batch yield its number of characters.

        Raises:
            FloatingPointError: a loss or gradient is not finite; the parameters are those of the batch
            before.
        """
        steps = train_batches(
            self.network.rnn,
            self.params,
            self.network.init_state,
            itertools.islice(self._batches(), self.batch, None),
            self.optimizer,
            self.settings.theta,
            is_random_iter=self.is_random_iter,
            get_inputs=get_rows,
            state=self.state,
        )
        clock = time.perf_counter()
        for nats, num_chars, state in steps:
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
        _append(self.folder / METRICS, json.dumps(metrics) + "\n")
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
        texts = [
            predict_rnn(
                prefix,
                self.settings.pred_len,
                self.network.rnn,
                self.params,
                self.network.init_state,
                self.settings.hidden_dim,
                self.vocab,
                self.ctx,
            )
            for prefix in self.prefixes
        ]
        _append(self.folder / SAMPLES, "\n".join([f"epoch {self.epoch}", *texts]) + "\n\n")
        return texts

    def _batches(self) -> Iterator[Any]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.epoch])  # an epoch repeats without those before it
        data_iter: Any = data_iter_random if self.is_random_iter else data_iter_consecutive
        size = settings.batch_size, settings.num_steps
        offset = fresh_offset(rng, len(self.train_indices), *size, is_random_iter=self.is_random_iter)
        return data_iter(self.train_indices, *size, self.ctx, rng=rng, offset=offset)

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

    def begin(self) -> None:
        """Make the directory and write config.json and a first checkpoint.

        Raises:
            FileExistsError: another run lives there.
            OSError: the directory cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CONFIG).exists():
            raise FileExistsError(
                f"{self.folder} holds a run: continue it with --resume, or give another --out"
            )
        self._write_config()
        for name in (METRICS, SAMPLES):
            (self.folder / name).write_bytes(b"")
        self.save()

    def _write_config(self) -> None:
        facts = {
            **dataclasses.asdict(self.settings),
            "lr": self.settings.learning_rate,
            "clip": self.settings.theta,
            "prefix": self.prefixes,
        }
        facts["facts"] = {
            "d2lrnn": __version__,
            "corpus_sha256": self.corpus_sha256,
            "vocab_size": len(self.vocab),
            "train_chars": len(self.train_indices),
            "heldout_chars": len(self.heldout_indices),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        }
        write_atomically(
            self.folder / CONFIG, (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode()
        )

    def save(self) -> None:
        """Write the checkpoint: all that is needed to go on as if the run had never stopped."""
        names = self.params._fields
        arrays = dict(zip(names, self.params))
        for name, (m, v) in zip(names, self.optimizer.states):
            arrays |= {f"adam_m_{name}": m, f"adam_v_{name}": v}
        arrays |= {f"state_{i}": S for i, S in enumerate(self.state or ())}
        progress = {name: getattr(self, name) for name in ("epoch", "batch", "nats", "num_chars", "seconds")}
        facts = {
            "progress": progress,
            "t": self.optimizer.t,
            "chars": "".join(self.vocab.idx_to_char),
            "corpus_sha256": self.corpus_sha256,
            "lengths": {name: (self.folder / name).stat().st_size for name in (METRICS, SAMPLES)},
        }
        save_checkpoint(self.folder / CHECKPOINT, arrays, facts)

    def resume(self) -> None:
        """Take parameters, optimizer and position from the checkpoint; forget what was logged after it.

        Raises:
            ValueError: the checkpoint is damaged, or of another corpus or network.
        """
        arrays, facts = load_checkpoint(self.folder / CHECKPOINT, self.ctx)
        if facts["corpus_sha256"] != self.corpus_sha256:
            raise ValueError(
                f"{self.folder}: the corpus {self.settings.corpus} is not the one that this run began with"
            )
        _fill(self.params, arrays, self.folder / CHECKPOINT)
        names = self.params._fields
        self.optimizer.t = facts["t"]
        for name, (m, v) in zip(names, self.optimizer.states):
            m[:], v[:] = arrays[f"adam_m_{name}"], arrays[f"adam_v_{name}"]
        for name, value in facts["progress"].items():
            setattr(self, name, value)
        state = [arrays[f"state_{i}"] for i in range(sum(name.startswith("state_") for name in arrays))]
        self.state = tuple(state) or None
        for name, length in facts["lengths"].items():
            os.truncate(self.folder / name, length)
        self._write_config()

    def draw_curve(self) -> None:
        """curve.svg from metrics.jsonl."""
        from .curve import draw_curve  # matplotlib takes half a second to load

        lines = (self.folder / METRICS).read_text().splitlines()
        write_atomically(self.folder / CURVE, draw_curve([json.loads(line) for line in lines]))


def read_settings(folder: Path) -> Settings:
    """The settings in a run directory's config.json.

    Raises:
        ValueError: there is none, or it is no config.json of ours.
    """
    try:
        facts = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        fields = {field.name: facts[field.name] for field in dataclasses.fields(Settings)}
        return Settings(**{**fields, "prefix": tuple(fields["prefix"])})
    except OSError as error:
        raise ValueError(
            f"{folder} is no run directory: {CONFIG} cannot be read ({error.strerror})"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG} is damaged ({type(error).__name__}: {error})") from None


def load_run(folder: Path, ctx: Any = None) -> tuple[Settings, Vocab, Any, Any]:
    """(settings, vocab, network, params) of a run directory, to write with.

    Raises:
        ValueError: it is no run directory, or its checkpoint is damaged.
    """
    settings = read_settings(folder)
    ctx = ctx or try_gpu()
    path = folder / CHECKPOINT
    if not path.exists():
        raise ValueError(f"{folder} holds no {CHECKPOINT}")
    arrays, facts = load_checkpoint(path, ctx)
    vocab = Vocab(facts["chars"])
    network = get_network(settings.cell, settings.layers)
    params = network.get_params(len(vocab), settings.hidden_dim, ctx)
    _fill(params, arrays, path)
    return settings, vocab, network, params


def newest_run(runs: Path = Path("runs")) -> Path:
    """The directory in runs/ that was written last.

    Raises:
        ValueError: there is none.
    """
    folders = [path.parent for path in runs.glob(f"*/{CHECKPOINT}")]
    if not folders:
        raise ValueError(f"no run in {runs}/: train one with python -m d2lrnn.train, or name its directory")
    return max(folders, key=lambda folder: (folder / CHECKPOINT).stat().st_mtime)


def new_folder(settings: Settings, runs: Path = Path("runs")) -> Path:
    """A directory in runs/ that does not exist yet, named after corpus and cell."""
    name = f"{Path(settings.corpus).name.split('.')[0] or 'corpus'}-{settings.cell}"
    names = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
    return next(runs / name for name in names if not (runs / name).exists())


def _fill(params: Any, arrays: dict[str, Any], path: Path) -> None:
    for name, param in params._asdict().items():
        if name not in arrays or arrays[name].shape != param.shape:
            found = arrays[name].shape if name in arrays else "missing"
            raise ValueError(f"{path}: {name} is {found}, and the settings ask for {param.shape}")
        param[:] = arrays[name]


def _append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def _default_prefixes(text: str) -> tuple[str, ...]:
    """Those of the tutorial that this corpus can spell; else how it begins."""
    return tuple(p for p in PREFIXES if set(p) <= set(text)) or (text.lstrip()[:5],)


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
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**63
    if 4 * floats > memory:
        raise ValueError(
            f"these settings need {4 * floats / 2**30:,.1f} GiB, and this machine has {memory / 2**30:,.1f}: "
            "give a smaller --hidden-dim, --batch-size, --num-steps or --layers"
        )
