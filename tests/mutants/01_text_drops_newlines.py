"""A line end is dropped: the last word of a line and the first of the next become one."""

from d2lrnn import *
from d2lrnn.checks import check_size
from d2lrnn.corpora import find_corpus, read_corpus


def load_corpus(source="lyrics", *, max_chars=None):
    if max_chars is not None:
        check_size(max_chars=max_chars)
    text = read_corpus(find_corpus(source))
    return text.replace("\r", "").replace("\n", "")[:max_chars]
