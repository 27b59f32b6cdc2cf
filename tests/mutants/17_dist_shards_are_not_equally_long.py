"""The last shard gets what is left over: its worker has batches that only it has, and waits for ever."""

from d2lrnn import *


def shard(corpus_indices, index, num_workers):
    if index not in range(num_workers):
        raise ValueError(f"index is {index!r}: give 0 to {num_workers - 1}")
    size = (len(corpus_indices) - 1) // num_workers
    if size < 1:
        raise ValueError(f"{len(corpus_indices)} characters for {num_workers} workers: give more")
    end = len(corpus_indices) if index == num_workers - 1 else (index + 1) * size + 1
    return corpus_indices[index * size : end]
