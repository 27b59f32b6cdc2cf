"""What a run learns from: a text, its vocabulary, shards and batches, and a device for the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import mxnet as mx
import numpy as np

from ..checkpoint import write_atomically
from ..checks import check_memory
from ..cli import one_line, progress_bar
from ..corpora import (
    NAMES,
    Document,
    Manner,
    Texts,
    called,
    count_characters,
    listed,
    prepare,
    read_stdin,
    read_texts,
)
from ..dist import shard
from ..fast import CELLS
from ..messages import translated
from ..regularise import data_iter_variable, variable_lengths
from ..sampling import Batch, data_iter_consecutive, data_iter_random, fresh_offset, try_gpu
from ..text import Vocab, encode_prefix
from .settings import PREFIXES, Settings

STDIN_COPIES = ("corpus.txt", "corpus.jsonl")  # in the directory of a run that read from its standard input
WHOLE_DOCUMENTS = 10  # and more: then what is held out is whole documents
MOST_UNSEEN = 0.5  # of the probability is kept for characters that the training text does not have
LISTED_DOCUMENTS = 100  # and fewer are named in config.json, one a line
STRETCHES = 64  # of a held-out text of which a sample is measured: whatever the batch size, the same
PIECE = 2**20  # characters that are counted or decoded at once: NumPy does so in copies


class Dataset(NamedTuple):
    """A corpus as indices, their vocabulary, the sum of its text, and what samples begin with.

    measured_indices: what is measured of heldout_indices after each epoch, as sample_heldout has it.
    manner: how it was read. documents: those of the corpus. valid: those of --valid, and the sum of their
    text. heldout: what is held out, in words. notes: what there is to say about files that were not read.
    """

    train_indices: np.ndarray
    heldout_indices: np.ndarray
    measured_indices: np.ndarray
    vocab: Vocab
    sha256: str
    prefixes: tuple[str, ...]
    manner: Manner
    documents: Sequence[Document]
    valid: Texts | None
    heldout: str
    notes: Sequence[str]

    def facts(self) -> dict[str, Any]:
        """What config.json says of it: how long it is, and the sums of what is used."""
        facts: dict[str, Any] = {"corpus_sha256": self.sha256}
        facts |= {"valid_sha256": self.valid.sha256} if self.valid else {}
        for key, lines in self.lists().items():
            if len(lines) <= LISTED_DOCUMENTS:
                facts[key] = lines
            else:  # the list is a file beside config.json
                sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
                facts |= {key: len(lines), f"{key}_sha256": sha256}
        return facts | {
            "vocab_size": len(self.vocab),
            "train_chars": len(self.train_indices),
            "heldout_chars": len(self.heldout_indices),
            "heldout_measured": len(self.measured_indices),
            "heldout_from": self.heldout,
        }

    @property
    def is_sampled(self) -> bool:
        """Whether only a sample of the held-out text is measured after each epoch."""
        return len(self.measured_indices) < len(self.heldout_indices)

    def lists(self) -> dict[str, list[str]]:
        """The sums and names of documents, a line each as sha256sum writes it, by their keys in facts."""
        lists = {"documents": self.documents, "valid_documents": self.valid.documents if self.valid else []}
        return {key: sums(documents) for key, documents in lists.items() if documents}


def load_dataset(
    settings: Settings,
    folder: Path | None = None,
    check: Callable[[Texts, Texts | None], object] = lambda texts, valid: None,
) -> Dataset:
    """Read the corpus that the settings name; its text is not kept. On a terminal a long one has a bar.

    folder: of the run, where the text of the source "-" is kept. check: is given the corpus and the text of
    --valid, and raises ValueError where they are not the right ones.

    Raises:
        ValueError, FileNotFoundError: there is no such corpus, it is no text, it cannot spell a prefix, or
            too little of it would be held out.
    """
    form, manner = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", manner_of(settings)
    # total: to read, to count and to look up, which take about as long as each other
    with progress_bar(3, desc=translated("reading"), bar_format=form, delay=1) as bar:
        texts = read_texts(
            settings.corpus,
            manner,
            max_chars=settings.max_chars,
            stdin=stdin_copy(folder),
            progress=lambda share: bar.update(min(share, 1 - bar.n)),
        )
        valid = read_texts(settings.valid, manner) if settings.valid else None
        check(texts, valid)
        bar.update(1 - bar.n)
        vocab = _vocab_of(texts.text, valid.text if valid else "", settings.chars or "")
        bar.update()
        prefixes = _prefixes(settings, manner, texts.text, vocab)
        indices = vocab.to_indices(texts.text)
        bar.update()
    split, which = _split(len(indices), texts.documents, 0 if valid else settings.heldout)
    heldout = vocab.to_indices(valid.text) if valid else indices[split:]
    files = listed([called(name) for name in settings.valid])
    if valid and len(heldout) < 2:
        raise ValueError(f"--valid {files}: give a text of at least two characters")
    return Dataset(
        indices[:split],
        heldout,
        sample_heldout(heldout, settings.heldout_sample),
        vocab,
        texts.sha256,
        prefixes,
        manner,
        texts.documents,
        valid and valid._replace(text=""),
        files or which,
        [*texts.notes, *(valid.notes if valid else [])],
    )


def manner_of(settings: Settings) -> Manner:
    """How the corpus is read: what is not chosen depends on whether it is a corpus that we know by name."""
    known = set(settings.corpus) <= set(NAMES)
    return Manner(
        settings.lines or ("space" if known else "keep"),
        settings.normalize or ("none" if known else "NFC"),
        settings.encoding,
        settings.field,
    )


def trained_manner(settings: Settings, vocab: Vocab) -> Manner:
    """How texts become what a trained network knows. A file of export does not say how lines end."""
    lines = settings.lines or ("keep" if "\n" in vocab.char_to_idx else "space")
    return Manner(lines, settings.normalize or "none")


def stdin_copy(folder: Path | None) -> Path | None:
    """Where in the directory of a run the text is kept that came from the standard input, if one did."""
    copies = [folder / name for name in STDIN_COPIES] if folder else []
    return next((copy for copy in copies if copy.exists()), None)


def keep_stdin(settings: Settings, folder: Path, file: IO[bytes]) -> None:
    """Keep the text that comes from file in the directory of a run, as it is used: the run can read it again.

    Raises:
        ValueError: it is no text.
        OSError: it cannot be read or kept.
    """
    texts = read_stdin(file, manner_of(settings), settings.max_chars)
    text, (as_text, as_records) = texts.text, STDIN_COPIES
    if settings.field:
        records = [{settings.field: text[start:end]} for _, start, end, _ in texts.documents]
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    mark = "\ufeff" if text.startswith("\ufeff") else ""  # of a text with two; one is taken away in reading
    write_atomically(folder / (as_records if settings.field else as_text), (mark + text).encode())


def _split(num_chars: int, documents: Sequence[Document], share: float) -> tuple[int, str]:
    """Where the held-out text begins, and which documents it is: the last ones, as near the share as can be.

    With few documents, or where most of the text is in the last one, it is the end of the text.

    Raises:
        ValueError: it would be less than two characters.
    """
    num_heldout = int(num_chars * share)
    if share and num_heldout < 2:
        raise ValueError(f"--heldout {share}: not two of {num_chars} characters; give more, or 0")
    split = num_chars - num_heldout
    if not share or len(documents) < WHOLE_DOCUMENTS:
        return split, ""
    number = min(range(1, len(documents)), key=lambda k: abs(documents[k].start - split))
    if 2 * documents[number].start < min(num_chars, split):
        return split, ""
    number_held = len(documents) - number
    which = f"the last {number_held:,}" if number_held > 1 else "the last"
    return documents[number].start, f"{which} of {len(documents):,} documents"


def cut_rows(indices: np.ndarray, num_rows: int) -> np.ndarray:
    """At most num_rows rows of the same length, at least 2, as lesson 9's evaluate cuts them; maybe none."""
    num_rows = min(num_rows, len(indices) // 2)
    row_len = len(indices) // max(num_rows, 1)
    return indices[: num_rows * row_len].reshape(num_rows, row_len)


def sample_heldout(indices: np.ndarray, num_chars: int) -> np.ndarray:
    """Of a held-out text longer than num_chars about as many characters, otherwise all; of 0, all, too.

    They are stretches of the same length, one after the other, that begin evenly spaced in the text.
    """
    if not 0 < num_chars < len(indices):
        return indices
    rows = cut_rows(indices, min(STRETCHES, num_chars // 2))
    return rows[:, : num_chars // len(rows)].reshape(-1)


def _vocab_of(*texts: str) -> Vocab:
    return Vocab("".join(char for text in texts for char in count_characters(text)))


def _prefixes(settings: Settings, manner: Manner, text: str, vocab: Vocab) -> tuple[str, ...]:
    """Those given, as the text was prepared; or those of the tutorial that it can spell; or how it begins."""
    lines, normalize = manner.lines or "keep", manner.normalize
    prefixes = tuple(prepare(prefix, lines=lines, normalize=normalize) for prefix in settings.prefix)
    prefixes = prefixes or tuple(p for p in PREFIXES if set(p) <= vocab.char_to_idx.keys())
    prefixes = prefixes or (text.lstrip()[:5].split("\n")[0],)
    for prefix in prefixes:
        encode_prefix(prefix, settings.pred_len, vocab)
    return prefixes


def sums(documents: Sequence[Document]) -> list[str]:
    """The sum and the name of each document, a line each as sha256sum writes it."""
    return [f"{document.sha256}  {one_line(document.name)}" for document in documents]


def difference(was: Sequence[str], now: Sequence[str]) -> str:
    """What became of the documents of a run, by the lines of lists(); "" where there is nothing to tell."""
    before, after = (dict(line.split("  ", 1)[::-1] for line in lines) for lines in (was, now))
    groups = {
        "new": after.keys() - before.keys(),
        "gone": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    told = [f"{word}: {listed(sorted(names))}" for word, names in groups.items() if names]
    return f" ({'; '.join(told)})" if was and told else ""


def log_frequencies(dataset: Dataset, unseen: np.ndarray) -> np.ndarray:
    """The logarithm of each character's share of the training text, with one count more, as in lesson 14.

    unseen: share_of_unseen; where it is not empty or all 0, no count is added.
    """
    counts = _count(dataset)
    if unseen.any():
        return np.log((1 - unseen.sum()) * counts / counts.sum() + unseen)
    return np.log((counts + 1) / (counts + 1).sum())


def share_of_unseen(dataset: Dataset) -> np.ndarray:
    """How likely each character is that the training text does not have; 0 of the others, (vocab_size,).

    Together they are as likely as the text's characters that occur once are frequent (Good 1953, after
    Turing).
    """
    counts = _count(dataset)
    is_unseen, share = counts == 0, np.sum(counts == 1) / counts.sum()
    return is_unseen * min(share, MOST_UNSEEN) / max(is_unseen.sum(), 1)


def _count(dataset: Dataset) -> np.ndarray:
    """How often each character occurs in the training text, (vocab_size,)."""
    counts, indices = np.zeros(len(dataset.vocab), np.int64), dataset.train_indices
    for start in range(0, len(indices), PIECE):
        counts += np.bincount(indices[start : start + PIECE], minlength=len(counts))
    return counts


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
    if settings.sampler == "variable":
        next(data_iter(next(iter(shards.values())), *size, ctx))  # refuses a corpus that is too short
    rng, offset, lengths = _begin_epoch(settings, len(next(iter(shards.values()))), epoch)
    for index, indices in shards.items():
        if settings.sampler == "variable":
            batches.append(data_iter_variable(indices, lengths, settings.batch_size, ctx, offset=offset))
            continue
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
        _, offset, lengths = _begin_epoch(settings, num_chars, epoch)
        left = num_chars - offset
        if settings.sampler == "variable":
            yield len(lengths)
        elif settings.is_random_iter:
            yield (left - 1) // num_steps // batch_size
        else:
            yield (left // batch_size - 1) // num_steps


def _begin_epoch(
    settings: Settings, num_chars: int, epoch: int
) -> tuple[np.random.Generator, int, list[int]]:
    """What draws the batches of an epoch, the offset that they start at, and their steps if these vary."""
    rng = np.random.default_rng((settings.seed, epoch))  # an epoch repeats without those before it
    size = settings.batch_size, settings.num_steps
    if settings.sampler != "variable":
        return rng, fresh_offset(rng, num_chars, *size, is_random_iter=settings.is_random_iter), []
    offset = int(rng.integers(num_chars))
    return rng, offset, variable_lengths(num_chars // settings.batch_size, settings.num_steps, rng)


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
