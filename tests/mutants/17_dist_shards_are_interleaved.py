"""Every worker takes every n-th character: what was a sentence is none."""

from d2lrnn import *


def shard(corpus_indices, index, num_workers):
    if index not in range(num_workers):
        raise ValueError(f"index is {index!r}: give 0 to {num_workers - 1}")
    size = (len(corpus_indices) - 1) // num_workers
    if size < 1:
        raise ValueError(f"{len(corpus_indices)} characters for {num_workers} workers: give more")
    return corpus_indices[index::num_workers][: size + 1]
