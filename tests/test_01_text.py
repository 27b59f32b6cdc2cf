"""Lesson 1: a file becomes one line of characters, and a vocabulary numbers them alike everywhere."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import nd

DATA = Path(__file__).parents[1] / "data"
PREFIXES = ["分开", "不分开", "战争中部队"]


# The vocabulary


def test_characters_are_numbered_in_code_point_order(subject):
    vocab = subject.Vocab("hello 想要")

    assert vocab.idx_to_char == [" ", "e", "h", "l", "o", "想", "要"]
    assert vocab.char_to_idx == {" ": 0, "e": 1, "h": 2, "l": 3, "o": 4, "想": 5, "要": 6}
    assert len(vocab) == 7


def test_encode_and_decode_give_the_values_worked_by_hand(subject):
    vocab = subject.Vocab("hello")

    assert vocab.encode("hello") == [1, 0, 2, 2, 3]
    assert vocab.decode([1, 0, 2, 2, 3]) == "hello"
    assert vocab.encode("") == []
    assert vocab.decode([]) == ""


@given(text=st.text())
def test_decode_undoes_encode(subject, text):
    vocab = subject.Vocab(text)

    assert vocab.decode(vocab.encode(text)) == text


@given(text=st.text(), seed=st.randoms())
def test_the_vocabulary_is_the_sorted_set_whatever_the_order_of_the_text(subject, text, seed):
    shuffled = list(text)
    seed.shuffle(shuffled)

    assert subject.Vocab("".join(shuffled)).idx_to_char == sorted(set(text))


def test_characters_rarer_than_min_freq_are_left_out(subject):
    assert subject.Vocab("aaabbc", min_freq=2).idx_to_char == ["a", "b"]
    assert subject.Vocab("aaabbc", min_freq=3).idx_to_char == ["a"]


def test_unk_has_index_zero_and_stands_for_all_unknown_characters(subject):
    vocab = subject.Vocab("hello", min_freq=2, unk=True)

    assert vocab.idx_to_char == ["<unk>", "l"]
    assert vocab.encode("hello") == [0, 0, 1, 1, 0]
    assert vocab.decode([0, 1]) == "<unk>l"


@pytest.mark.parametrize(
    ("text", "named"), [("hello，", "'，'"), ("gfidcba", "'a'.*'b'.*'c'.*'d'.*'f'.* 2 ")]
)
def test_unknown_characters_are_named_and_those_after_five_counted(subject, text, named):
    vocab = subject.Vocab("hello")

    with pytest.raises(ValueError, match=named):
        vocab.encode(text)


@pytest.mark.parametrize(
    "indices",
    [
        np.array([1, 0]),
        np.array([1.0, 0.0]),
        nd.array([1, 0]),
        nd.array([[1, 0]], dtype="int32"),
        range(1, -1, -1),
    ],
    ids=["numpy", "floats", "NDArray", "2-D", "range"],
)
def test_decode_takes_whole_numbers_in_any_array(subject, indices):
    assert subject.Vocab("hello").decode(indices) == "he"


@pytest.mark.parametrize("index", [-1, 4, 2**32, np.int64(-4), 0.5, float("nan")])
def test_decode_refuses_an_index_that_is_none(subject, index):
    vocab = subject.Vocab("hello")

    with pytest.raises(IndexError, match=f"{index}"):
        vocab.decode([0, index])


def test_text_and_min_freq_of_the_wrong_kind_are_refused(subject):
    with pytest.raises(TypeError, match=r"text.*list"):
        subject.Vocab(["hello"])
    with pytest.raises(ValueError, match=r"min_freq.*0"):
        subject.Vocab("hello", min_freq=0)


@pytest.mark.slow
def test_the_vocabulary_is_the_same_in_every_process(subject, small_text):
    file = Path(subject.__file__)
    module = file.parent if file.stem == "__init__" else file
    program = (
        "import importlib, sys; folder, name, text = sys.argv[1:]; sys.path.insert(0, folder);"
        "print(importlib.import_module(name).Vocab(text).encode(text))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, module.parent, module.stem, small_text]

    printed = [
        subprocess.check_output(command, text=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("0", "1", "2")
    ]

    assert printed == [f"{subject.Vocab(small_text).encode(small_text)}\n"] * 3


# The corpus


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"ab\ncd\n", "ab cd "),
        (b"ab\r\ncd\r\n", "ab cd "),
        (b"ab\rcd\r", "ab cd "),
        (b"a\n\nb\r\n\r\nc\n\rd", "a  b  c  d"),
        (b"\xef\xbb\xbfab\n", "ab "),
        ("想要\u3000有".encode(), "想要\u3000有"),
    ],
    ids=["LF", "CRLF", "CR", "blank lines", "BOM", "ideographic space"],
)
def test_every_line_end_becomes_one_space_and_nothing_else_changes(subject, tmp_path, written, read):
    (tmp_path / "song.txt").write_bytes(written)

    assert subject.load_corpus(tmp_path / "song.txt") == read
    assert subject.load_corpus(str(tmp_path / "song.txt")) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [(b"ab\r\ncd\n\ref\r", "ab\ncd\n\nef\n"), ("a\u2028b\x0cc\n".encode(), "a\u2028b\x0cc\n")],
    ids=["each is one", "these are characters"],
)
def test_with_lines_keep_every_line_end_is_one_newline(subject, tmp_path, written, read):
    (tmp_path / "song.txt").write_bytes(written)

    assert subject.load_corpus(tmp_path / "song.txt", lines="keep") == read
    assert subject.load_corpus(tmp_path / "song.txt", lines="keep", max_chars=3) == read[:3]
    assert subject.load_corpus(tmp_path / "song.txt") == read.replace("\n", " ")


def test_the_text_in_a_zip_is_read_like_the_text_beside_it(subject, tmp_path):
    with zipfile.ZipFile(tmp_path / "song.txt.zip", "w") as archive:
        archive.writestr("song.txt", "想要\r\n有直升机\n")

    assert subject.load_corpus(tmp_path / "song.txt.zip") == "想要 有直升机 "


def test_max_chars_counts_characters_after_line_ends_have_become_spaces(subject, tmp_path):
    (tmp_path / "song.txt").write_bytes("想\r\n要".encode())

    assert subject.load_corpus(tmp_path / "song.txt", max_chars=2) == "想 "
    assert subject.load_corpus(tmp_path / "song.txt", max_chars=3) == "想 要"
    assert subject.load_corpus(tmp_path / "song.txt", max_chars=99) == "想 要"


@pytest.mark.parametrize("max_chars", [0, -1, 2.5, True])
def test_max_chars_is_an_integer_of_at_least_one(subject, max_chars):
    with pytest.raises(ValueError, match=f"max_chars.*{max_chars}"):
        subject.load_corpus("lyrics", max_chars=max_chars)


def test_our_lyrics_are_the_default_and_can_spell_the_prefixes(subject):
    text = subject.load_corpus()
    vocab = subject.Vocab(text)

    assert text == subject.load_corpus("lyrics") and "\n" not in text
    assert len(text) >= 24_000 and len(vocab) >= 1_200
    assert [vocab.decode(vocab.encode(prefix)) for prefix in PREFIXES] == PREFIXES


@pytest.mark.parametrize("name", ["lyrics", "songci", "timemachine"])
def test_the_readme_of_the_data_names_the_sha256_and_the_counts_of_a_corpus(subject, name):
    rows = (DATA / "README.md").read_text("utf-8").splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `{name}.txt")]
    text, kept = subject.load_corpus(name), subject.load_corpus(name, lines="keep")

    assert f"| {len(text):,}, {len(set(text)):,} |" in row
    assert f"`{hashlib.sha256(kept.encode()).hexdigest()}`" in row


def test_our_lyrics_are_many_songs_that_share_no_line():
    songs = (DATA / "lyrics.txt").read_text("utf-8").strip().split("\n\n")
    songs_with = Counter(line for song in songs for line in set(song.split("\n")))

    assert len(songs) >= 80
    assert f"| {len(songs)} Chinese songs" in (DATA / "README.md").read_text("utf-8")
    assert [line for line, count in songs_with.items() if count > 1] == []


@pytest.mark.parametrize(
    ("file", "max_chars", "num_chars", "num_distinct"),
    [
        ("jaychou_lyrics_2017-12.txt.zip", None, 64_925, 2613),
        ("jaychou_lyrics_2017-12.txt.zip", 20_000, 20_000, 1465),
        ("jaychou_lyrics_2018-05.txt.zip", None, 63_282, 2582),
        ("jaychou_lyrics_2018-05.txt.zip", 10_000, 10_000, 1027),
    ],
)
def test_published_corpora_have_the_published_counts(
    subject, shared_data, file, max_chars, num_chars, num_distinct
):
    text = subject.load_corpus(shared_data / file, max_chars=max_chars)

    assert (len(text), len(subject.Vocab(text))) == (num_chars, num_distinct)
