"""Texts from files: whatever users name as a corpus, read with care, document by document.

names      the corpora that we know, and where a corpus is
fetching   the corpus that others publish and we may not ship
sources    names, folders and patterns become files, in a fixed order
files      a file becomes streams of bytes, one per text
archives   which members of a .zip may be opened
encodings  bytes become characters
guessing   which encoding a text that is not UTF-8 may have
records    the texts in a .jsonl
preparing  line ends and normal forms
documents  all of them become one text
counting   how often each character occurs in a long text, and where it stands in a list
"""

from .archives import DAMAGED, MAX_BYTES, Unreadable, check_length, check_member
from .counting import BLOCK, count_characters, find_characters
from .documents import Document, Manner, Texts, read_corpus, read_stdin, read_texts
from .encodings import check_encoding
from .names import NAMES, OURS, PACKAGE, PACKED_CORPORA, find_corpus, shipped
from .preparing import FORMS, LINES, prepare
from .sources import STDIN, called, check_sources, listed, whole_path

__all__ = [
    "BLOCK",
    "DAMAGED",
    "FORMS",
    "LINES",
    "MAX_BYTES",
    "NAMES",
    "OURS",
    "PACKAGE",
    "PACKED_CORPORA",
    "STDIN",
    "Document",
    "Manner",
    "Texts",
    "Unreadable",
    "called",
    "check_encoding",
    "check_length",
    "check_member",
    "check_sources",
    "count_characters",
    "find_characters",
    "find_corpus",
    "listed",
    "prepare",
    "read_corpus",
    "read_stdin",
    "read_texts",
    "shipped",
    "whole_path",
]
