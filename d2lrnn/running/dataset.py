"""What a run learns from: a text, its vocabulary, its shards and batches, and a device for the network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from typing import NamedTuple

import mxnet as mx
import numpy as np
from tqdm import tqdm

from ..checks import check_memory
from ..corpora import BLOCK, find_corpus, read_corpus
from ..dist import shard
from ..fast import CELLS
from ..sampling import Batch, data_iter_consecutive, data_iter_random, fresh_offset, try_gpu
from ..text import Vocab, encode_prefix, one_line
from .settings import PREFIXES, Settings

tqdm.set_lock(RLock())  # its own is for processes too: Python 3.14 warns where they end at once


class Dataset(NamedTuple):
    """A corpus as indices, their vocabulary, the sum of its text, and what samples begin with."""

    train_indices: np.ndarray
    heldout_indices: np.ndarray
    vocab: Vocab
    sha256: str
    prefixes: tuple[str, ...]


def load_dataset(settings: Settings) -> Dataset:
    """Read the corpus that the settings name; its text is not kept. On a terminal a long one has a bar.

    Raises:
        ValueError, FileNotFoundError: there is no such corpus, it is no text, it cannot spell a prefix, or
            too little of it would be held out.
    """
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    # total: to read, to count and to look up, which take about as long as each other
    with tqdm(desc="reading", total=3, bar_format=form, delay=1, disable=None, leave=False) as bar:
        keep = settings.max_chars and 2 * settings.max_chars  # each may be a line end of two characters
        text = read_corpus(find_corpus(settings.corpus), keep=keep, progress=bar.update)
        text = one_line(text)[: settings.max_chars]
        sha256 = hashlib.sha256()
        for start in range(0, len(text), BLOCK):
            sha256.update(text[start : start + BLOCK].encode())
        vocab = Vocab(text)
        bar.update()
        prefixes = settings.prefix or _default_prefixes(text, vocab)
        for prefix in prefixes:
            encode_prefix(prefix, settings.pred_len, vocab)
        indices = vocab.to_indices(text)
        bar.update()
    num_heldout = int(len(indices) * settings.heldout)
    if settings.heldout and num_heldout < 2:
        raise ValueError(
            f"--heldout {settings.heldout}: not two of {len(indices)} characters; give more, or 0"
        )
    num_train = len(indices) - num_heldout
    return Dataset(indices[:num_train], indices[num_train:], vocab, sha256.hexdigest(), prefixes)


def _default_prefixes(text: str, vocab: Vocab) -> tuple[str, ...]:
    """Those of the tutorial that this corpus can spell; else how it begins."""
    return tuple(p for p in PREFIXES if set(p) <= vocab.char_to_idx.keys()) or (text.lstrip()[:5],)


def log_frequencies(dataset: Dataset) -> np.ndarray:
    """The logarithm of each character's share of the training text, with one count more, as in lesson 14."""
    counts = np.bincount(dataset.train_indices, minlength=len(dataset.vocab)) + 1
    return np.log(counts / counts.sum())


def cut_shards(train_indices: np.ndarray, num_workers: int, index: int | None) -> dict[int, np.ndarray]:
    """What worker index reads, and in turn with all others where it is None: shards by their number."""
    mine = range(num_workers) if index is None else (index,)
    return {k: shard(train_indices, k, num_workers) if num_workers > 1 else train_indices for k in mine}


def cut_batches(
    settings: Settings, shards: Mapping[int, np.ndarray], epoch: int, ctx: mx.Context
) -> Iterator[Batch]:
    """An epoch's (data, label), the rows of each shard below those of the one before it."""
    is_random_iter = settings.is_random_iter
    data_iter: Callable[..., Iterator[Batch]] = data_iter_random if is_random_iter else data_iter_consecutive
    size, batches = (settings.batch_size, settings.num_steps), []
    rng, offset = _begin_epoch(settings, len(next(iter(shards.values()))), epoch)
    for index, indices in shards.items():
        if settings.workers > 1:
            rng = np.random.default_rng([settings.seed, epoch, index])
        batches.append(data_iter(indices, *size, ctx, rng=rng, offset=offset))
    for pairs in zip(*batches):
        data, label = (each[0] if len(each) == 1 else mx.nd.concat(*each, dim=0) for each in zip(*pairs))
        yield data, label


def count_batches(settings: Settings, num_chars: int) -> Iterator[int]:
    """How many batches each epoch has, read from a shard of num_chars: its offset may cost it one."""
    batch_size, num_steps = settings.batch_size, settings.num_steps
    for epoch in range(settings.epochs):
        left = num_chars - _begin_epoch(settings, num_chars, epoch)[1]
        if settings.is_random_iter:
            yield (left - 1) // num_steps // batch_size
        else:
            yield (left // batch_size - 1) // num_steps


def _begin_epoch(settings: Settings, num_chars: int, epoch: int) -> tuple[np.random.Generator, int]:
    """What draws the batches of an epoch, and the offset that they start at."""
    rng = np.random.default_rng((settings.seed, epoch))  # an epoch repeats without those before it
    size = settings.batch_size, settings.num_steps
    return rng, fresh_offset(rng, num_chars, *size, is_random_iter=settings.is_random_iter)


def find_context(name: str) -> mx.Context:
    """The device that --ctx names.

    Raises:
        ValueError: there is none.
    """
    if name == "cpu":
        return mx.cpu()
    if name == "gpu" and try_gpu() == mx.cpu():
        raise ValueError("--ctx gpu: MXNet sees no GPU here; give cpu or auto (GPUs need mxnet-cu112)")
    return try_gpu()


def check_fits(settings: Settings, vocab_size: int) -> None:
    """Refuse sizes that cannot fit, before MXNet is asked for them.

    Raises:
        ValueError: the network, its gradients or a batch need more memory than there is.
    """
    rows, gates = settings.batch_size * settings.num_steps, CELLS[settings.cell].num_gates
    width = settings.hidden_dim
    weights = (2 * vocab_size + 1) * width * gates + 2 * settings.layers * gates * width * (width + 1)
    copies = (4 if settings.optimizer == "adam" else 2) + bool(settings.average)
    floats = weights * copies + rows * (3 * vocab_size + 6 * gates * settings.layers * width)
    remedy = "give a smaller --hidden-dim, --batch-size, --num-steps or --layers"
    check_memory("these settings need", 4 * floats, remedy)
