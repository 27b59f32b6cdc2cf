"""A network from a run directory or from one file writes the same; anything else is refused in words."""

import fcntl
import io
import json
import os
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, export, predict
from d2lrnn.checkpoint import load_newest, save_next
from d2lrnn.cli import escape, unescape
from d2lrnn.decoding import Choice, Writer, generate_batch
from d2lrnn.fast import Network, get_network
from d2lrnn.formats.safetensors_file import read_network, write_network
from d2lrnn.running.adapting import cached_writer
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings
from d2lrnn.running.writing import Unfinished, format_samples, stream

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import nd
from safetensors.numpy import save
from small_run import exit_code_of

CHARS = " abcdefgh分开"


def write(path: Path, cell: str = "gru", layers: int = 1, hidden_dim: int = 5, chars: str = CHARS) -> Any:
    """A file with a network whose parameters are far from 0; the parameters."""
    settings = Settings(cell=cell, layers=layers, hidden_dim=hidden_dim, prefix=(chars[-1],))
    params = get_network(cell, layers).get_params(len(chars), hidden_dim)
    rng = np.random.default_rng(0)
    for param in params:
        param[:] = nd.array(rng.normal(size=param.shape))
    write_network(path, settings, Vocab(chars), params)
    return params


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the arrays of a file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: Any, arrays: bytes) -> bytes:
    """A file without a sum, as another program would write it."""
    if isinstance(header, dict):
        header["__metadata__"].pop("sha256", None)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + arrays


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str], command: Any = predict) -> str:
    """The one line with which a command refuses them."""
    capsys.readouterr()
    assert command.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{command.PROG}: ")
    assert err.endswith("\n") and len(err.splitlines()) == 1
    return err


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has only begun."""
    settings = Settings(max_chars=400, hidden_dim=6, batch_size=4, num_steps=5, cell="lstm", layers=2)
    (tmp_path / "run").mkdir()
    Run(settings).begin(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_file_gives_back_the_network_that_was_written(cell: str, layers: int, tmp_path: Path) -> None:
    params = write(tmp_path / "a", cell, layers)

    source, settings, vocab, network, found, what, tied = read_network(tmp_path / "a")

    assert (source, what, tied) == (tmp_path / "a", "", None)
    assert found._fields == params._fields
    assert [array.asnumpy().tobytes() for array in found] == [array.asnumpy().tobytes() for array in params]
    assert (settings.cell, settings.layers, settings.hidden_dim, settings.prefix) == (
        cell,
        layers,
        5,
        ("开",),
    )
    assert "".join(vocab.idx_to_char) == CHARS
    assert network == get_network(cell, layers)


def test_run_directory_and_exported_file_write_the_same(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = str(run / "model.safetensors")
    assert export.main([str(run), "--out", exported]) == 0
    assert capsys.readouterr().out == f"{exported} holds the network of {run}: epoch 0, the last\n"

    texts = []
    for source in (str(run), exported):
        assert predict.main([source, "--length", "30", "--temperature", "1", "--seed", "3"]) == 0
        texts.append(capsys.readouterr().out)

    assert texts[0] == texts[1]
    assert len(texts[0]) > 30


def save_best(run: Path) -> str:
    """A best checkpoint whose network writes one character only; the text of nine of it."""
    _, arrays, facts, _ = load_newest(run / "checkpoints")
    arrays["W_hy"][:] = 0
    arrays["b_y"][:] = 0
    arrays["b_y"][7] = 99
    save_next(run / "best", arrays, {**facts, "epoch": 9, "heldout_perplexity": 357.249})
    return facts["chars"][7] * 9


@pytest.mark.parametrize(
    ("flags", "is_best", "what"),
    [
        ([], True, "epoch 9, best held-out 357.2"),
        (["--best"], True, "epoch 9, best held-out 357.2"),
        (["--last"], False, "epoch 0, the last"),
    ],
)
def test_where_heldout_text_was_measured_the_best_is_taken_and_all_say_what_it_is(
    flags: list[str], is_best: bool, what: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nines, exported = save_best(run), str(run / "a.safetensors")

    assert predict.main([str(run), *flags, "--length", "9", "--seed", "1", "--prefix", "我"]) == 0
    text, err = capsys.readouterr()
    assert export.main([str(run), *flags, "--out", exported]) == 0
    out, _ = capsys.readouterr()
    assert predict.main([exported, "--length", "9", "--seed", "1", "--prefix", "我"]) == 0

    assert (text == f"我{nines}\n") is is_best
    assert err == f"{predict.PROG}: writes from {run}: {what}\n"
    assert out == f"{exported} holds the network of {run}: {what}\n"
    assert capsys.readouterr() == (text, f"{predict.PROG}: writes from {exported}: {what}\n")


def test_a_best_that_is_damaged_is_named_and_the_end_is_taken_unless_it_was_asked_for(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_best(run)
    for arrays in (run / "best").glob("*/arrays.npz"):
        arrays.write_bytes(b"")

    assert predict.main([str(run), "--length", "9"]) == 0
    _, err = capsys.readouterr()
    assert "arrays.npz" in err and "the end of the run is taken instead" in err
    assert "epoch 0, the last" in err
    assert "arrays.npz" in refusal([str(run), "--best"], capsys)


@pytest.mark.parametrize("facts", [{"epoch": "9"}, {"heldout_perplexity": None}, {"epoch": 9}])
def test_a_best_that_does_not_say_of_what_epoch_it_is_is_refused(
    facts: dict[str, Any], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, arrays, others, _ = load_newest(run / "checkpoints")
    save_next(run / "best", arrays, {**others, **facts})

    assert "was not written by d2lrnn" in refusal([str(run), "--best"], capsys)


def test_where_there_is_no_best_it_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run / "a.safetensors")

    assert "holds no best checkpoint" in refusal([str(run), "--best"], capsys)
    for which in ("best", "last"):
        reason = f"there is no choice of the {which}: give a run directory"
        assert reason in refusal([str(run / "a.safetensors"), f"--{which}"], capsys)


def test_texts_written_together_are_those_written_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    def lines(*arguments: str) -> list[str]:
        assert predict.main([str(tmp_path / "a"), "--length", "8", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    together = lines("--prefix", "abc分开", "--prefix", "h", "--num-samples", "2", "--seed", "1")

    one_by_one = [("abc分开", "1"), ("abc分开", "2"), ("h", "1"), ("h", "2")]
    assert together[::2] == [f"--- {k}, seed {s}: {p}" for k, (p, s) in enumerate(one_by_one, start=1)]
    assert together[1::2] == [lines("--prefix", prefix, "--seed", seed)[0] for prefix, seed in one_by_one]
    assert len(set(together[1::2])) == 4
    drawn = lines("--prefix", "h", "--seed", "1", "--temperature", "0.8")
    assert lines("--prefix", "h", "--seed", "1") == drawn


@pytest.mark.parametrize(("cell", "layers"), [("gru", 1), ("lstm", 2)])
def test_with_a_cache_each_text_is_drawn_from_network_and_memory_of_its_own(cell: str, layers: int) -> None:
    """By the definition, in numpy, from the states of the network."""
    mx.random.seed(1)
    network = get_network(cell, layers)
    params, vocab = network.get_params(len(CHARS), 5, scale=0.8), Vocab(CHARS)
    weight, theta, window, top = 0.4, 7.0, 6, -2 if cell == "lstm" else -1
    writer = cached_writer(network, params, weight=weight, window=window, theta=theta)

    def likeliest(prefix: str, num_chars: int) -> str:
        state, keys = network.init_state(1, 5), list[np.ndarray]()
        chars = vocab.encode(prefix)
        for t in range(len(prefix) + num_chars - 1):
            H = state[top].asnumpy()[0]
            keys.append(H / max(np.linalg.norm(H), 1e-5))
            (logits,), state = network.rnn(nd.array([[chars[t]]], dtype="int32"), state, params)
            H = state[top].asnumpy()[0]
            P = (1 - weight) * nd.softmax(logits).asnumpy()[0]
            places = range(max(0, len(keys) - window), len(keys))
            scores = np.exp([theta * keys[j] @ H / np.linalg.norm(H) for j in places])
            for j, share in zip(places, scores / scores.sum()):
                P[chars[j]] += weight * share
            if t + 1 == len(chars):
                chars.append(int(P.argmax()))
        return vocab.decode(chars)

    texts = generate_batch(["abcab", "h分"], 25, writer, vocab, Choice(temperature=0))

    assert texts == [likeliest("abcab", 25), likeliest("h分", 25)]
    assert texts != generate_batch(["abcab", "h分"], 25, network.writer(params), vocab, Choice(temperature=0))


def test_the_flag_cache_takes_such_a_writer_and_refuses_what_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = write(tmp_path / "a")
    flags = [str(tmp_path / "a"), "--prefix=abc", "--prefix=h分", "--seed=1", "--length=40"]

    def lines(*arguments: str) -> list[str]:
        assert predict.main([*flags, *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    assert lines("--cache") == lines("--cache") != lines()
    writer = cached_writer(get_network("gru"), params)
    choice = Choice(temperature=0.8, seed=1)
    assert lines("--cache")[1::2] == generate_batch(["abc", "h分"], 40, writer, Vocab(CHARS), choice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("d2lrnn.checks.memory", lambda: 20_000)  # two memories of 500 keys have 48,000 bytes
        assert lines()
        assert "with --cache these texts need" in refusal([*flags, "--cache"], capsys)
    params.W_hy[:] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        generate_batch(["abc"], 4, cached_writer(get_network("gru"), params), Vocab(CHARS), choice)


def test_numbers_of_samples_that_cannot_be_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    assert "num_samples is 0" in refusal([str(tmp_path / "a"), "--num-samples", "0"], capsys)
    assert "these texts need" in refusal([str(tmp_path / "a"), "--num-samples", "1" * 12], capsys)


def test_a_file_of_another_program_needs_no_sum_and_no_prefix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = write(tmp_path / "a", "lstm", 2)
    metadata = {"cell": "lstm", "layers": "2", "hidden_dim": "5", "chars": CHARS, "author": "somebody"}
    arrays = {name: param.asnumpy() for name, param in reversed(params._asdict().items())}
    (tmp_path / "b").write_bytes(save(arrays, metadata))

    predict.main([str(tmp_path / "a"), "--prefix", " ", "--temperature", "0"])
    assert predict.main([str(tmp_path / "b"), "--temperature", "0"]) == 0

    ours, theirs = capsys.readouterr().out.splitlines()
    assert ours == theirs


# --- damage ---


@pytest.mark.slow
def test_no_flipped_bit_and_no_missing_byte_gives_another_network(tmp_path: Path) -> None:
    params = write(tmp_path / "a", "rnn", hidden_dim=2, chars="ab")
    whole = (tmp_path / "a").read_bytes()
    rng = random.Random(0)
    refused = 0
    for i in range(len(whole)):
        for damaged in (
            whole[:i],
            whole[:i] + bytes([whole[i] ^ 1 << rng.randrange(8)]) + whole[i + 1 :],
            whole[:i] + bytes([rng.randrange(256)]) + whole[i:],
        ):
            (tmp_path / "b").write_bytes(damaged)
            try:
                _, settings, vocab, _, found, *_ = read_network(tmp_path / "b")
            except ValueError:
                refused += 1
                continue
            assert (
                damaged == whole or b'"sha256"' not in damaged
            )  # the name of the sum was hit, and nothing else
            assert (settings.cell, settings.layers, vocab.idx_to_char) == ("rnn", 1, ["a", "b"])
            assert [a.asnumpy().tobytes() for a in found] == [a.asnumpy().tobytes() for a in params]
    assert refused > 2.9 * len(whole)


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Damage that changes the header, in its place or by what it returns."""

    def damage(data: bytes) -> bytes:
        entries, arrays = split(data)
        changed = change(entries)
        return join(entries if changed is None else changed, arrays)

    return damage


def metadata(**changes: Any) -> Callable[[bytes], bytes]:
    return header(lambda entries: entries["__metadata__"].update(changes))


def array(name: str, **changes: Any) -> Callable[[bytes], bytes]:
    return header(lambda entries: entries[name].update(changes))


def swap_places(entries: dict[str, Any]) -> None:
    entries["W_xz"]["shape"], entries["W_hz"]["shape"] = entries["W_hz"]["shape"], entries["W_xz"]["shape"]


def nan(data: bytes) -> bytes:
    entries, arrays = split(data)
    return join(entries, arrays[:-4] + struct.pack("<f", float("nan")))


DAMAGE = {
    "an empty file": (lambda data: b"", "a header of 0 bytes in a file of 0"),
    "a text": (lambda data: "分开 想要的".encode() * 99, "bytes in a file of"),
    "a zip": (lambda data: b"PK\3\4" + bytes(26), "bytes in a file of 30"),
    "a huge header": (
        lambda data: struct.pack("<Q", 2**63) + data[8:],
        f"a header of {2**63} bytes in a file",
    ),
    "a header too long": (header(lambda entries: b" " * 2_000_001), "a header of 2000001 bytes"),
    "no JSON": (header(lambda entries: b"{"), "JSONDecodeError"),
    "wrong UTF-8": (header(lambda entries: b'{"\xff": 1}'), "UnicodeDecodeError"),
    "no object": (header(lambda entries: b"[1, 2]"), "not a JSON object"),
    "a deep object": (header(lambda entries: b"[" * 99_999), "RecursionError"),
    "a name twice": (header(lambda entries: b'{"a": {}, "a": {}}'), "a name comes twice"),
    "no metadata": (header(lambda entries: b'{"W_hy": {}}'), "do not say cell, chars, hidden_dim, layers"),
    "prefixes in no JSON": (metadata(prefixes="分开"), "JSONDecodeError"),
    "prefixes in no list": (metadata(prefixes='"分开"'), "its prefixes are not a list of strings"),
    "a prefix that is a number": (metadata(prefixes="[1]"), "its prefixes are not a list of strings"),
    "an empty prefix": (metadata(prefixes='["a", ""]'), "its prefixes are not a list of strings"),
    "deep prefixes": (metadata(prefixes="[" * 99_999), "RecursionError"),
    "a number in metadata": (metadata(layers=1), "not all strings"),
    "another cell": (metadata(cell="elman"), "--cell elman"),
    "no layers": (metadata(layers="0"), "--layers 0"),
    "layers in words": (metadata(layers="one"), "invalid literal"),
    "many layers": (metadata(layers="1000000000"), "not those of 1000000000 layers of gru"),
    "a huge hidden_dim": (metadata(hidden_dim="2000000000"), "instead of"),
    "a number too long": (metadata(hidden_dim="9" * 9999), "not a complete safetensors file"),
    "no characters": (metadata(chars=""), "order of their code points"),
    "one character twice": (metadata(chars=CHARS[:-1] + CHARS[-2]), "order of their code points"),
    "characters in disorder": (metadata(chars=CHARS[::-1]), "order of their code points"),
    "one character less": (metadata(chars=CHARS[1:]), "instead of"),
    "an array of another name": (
        header(lambda entries: entries.update(W_xq=entries.pop("W_xz"))),
        "it holds W_xq, of another network",
    ),
    "an array less": (header(lambda entries: (entries.pop("W_xz"), None)[1]), "it holds 10 arrays"),
    "another dtype": (array("W_hy", dtype="I32"), "'dtype': 'I32'"),
    "another shape": (header(swap_places), "instead of"),
    "no offsets": (header(lambda entries: (entries["b_y"].pop("data_offsets"), None)[1]), "data_offsets"),
    "offsets outside": (array("b_y", data_offsets=[2**60, 2**60 + 44]), "instead of"),
    "two arrays in one place": (array("b_z", data_offsets=[0, 20]), "instead of"),
    "bytes behind the arrays": (lambda data: join(*split(data)) + bytes(8), "its arrays should have"),
    "bytes missing": (lambda data: join(*split(data))[:-8], "its arrays should have"),
    "NaN": (nan, "b_y holds NaN or infinity"),
    "another number": (lambda data: data[:-1] + b"\x40", "their sha256 is another"),
    "another character": (lambda data: data.replace("开".encode(), "弃".encode()), "their sha256 is another"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_file_is_refused_in_one_line(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    hurt, message = DAMAGE[damage]
    (tmp_path / "a").write_bytes(hurt((tmp_path / "a").read_bytes()))

    assert message in refusal([str(tmp_path / "a")], capsys)


def test_a_file_larger_than_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a")
    monkeypatch.setattr("d2lrnn.checks.memory", lambda: 1000)

    with pytest.raises(ValueError, match=r"need 0\.0 GiB of memory, more than the 0\.0 here"):
        read_network(tmp_path / "a")


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    chars = "".join(map(chr, range(0x10000, 0x10000 + 500_000)))  # four bytes each
    settings, vocab = Settings(cell="rnn", hidden_dim=1), Vocab(chars)

    with pytest.raises(ValueError, match="too many characters or layers"):
        write_network(tmp_path / "a", settings, vocab, get_network("rnn").get_params(len(vocab), 1))


def test_joined_again_without_damage_the_file_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a").write_bytes(join(*split((tmp_path / "a").read_bytes())))

    assert read_network(tmp_path / "a").settings.cell == "gru"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"[" + b"[]," * 600_000 + b"[]]", marks=pytest.mark.slow),
        b'{"a":[' + b"0," * 900_000 + b"0]}",
        b'{"' + b"a" * 1_900_000 + b'": 0}',
    ],
    ids=["lists", "numbers", "a name"],
)
def test_no_header_takes_long_or_much_memory(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(join(header, b""))
    before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    with pytest.raises(ValueError, match="not a complete safetensors file"):
        read_network(tmp_path / "a")

    assert time.process_time() - clock < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


# --- what is no file, and what is in one that a terminal should not get ---


def test_what_is_no_file_is_refused_and_never_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    assert "neither a run directory nor a file" in refusal([str(tmp_path / "pipe")], capsys)
    assert "neither a run directory nor a file" in refusal(["/dev/zero"], capsys)
    assert "folder is not a run directory" in refusal([str(tmp_path / "folder")], capsys)
    assert "nowhere is not a run directory" in refusal([str(tmp_path / "nowhere")], capsys)
    assert "x" * 400 in refusal(["x" * 5000], capsys)


def test_a_name_with_a_line_end_stays_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\n\x1b[2Jb").write_bytes(b"")

    assert "a\\n\\x1b[2Jb" in refusal([str(tmp_path / "a\n\x1b[2Jb")], capsys)


def test_control_characters_that_a_network_writes_are_shown_as_escapes_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", chars="\x07\x1b[]ab\x9b\u202e")
    arguments = [str(tmp_path / "a"), "--length", "60", "--temperature", "9", "--seed", "0"]

    assert predict.main(arguments) == 0
    assert {"\x07", "\x1b", "\x9b", "\u202e"} <= set(capsys.readouterr().out)

    monkeypatch.setattr("d2lrnn.cli.is_terminal", lambda file: True)
    assert predict.main(arguments) == 0
    text = capsys.readouterr().out
    assert set(text) <= set("\\x01789befu2[]a\n")
    assert {"\\x07", "\\x1b", "\\x9b", "\\u202e"} <= {
        text[i : i + n] for i in range(len(text)) for n in (4, 6)
    }


@pytest.mark.parametrize("taken", ["a directory", "a pipe"])
def test_export_never_takes_the_place_of_what_is_no_file(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    if taken == "a directory":
        (tmp_path / taken).mkdir()
    else:
        os.mkfifo(tmp_path / taken)
    before = (tmp_path / taken).stat()

    arguments = [str(tmp_path / "a"), "--out", str(tmp_path / taken)]
    assert "is not a file: give the name of one" in refusal(arguments, capsys, export)
    assert (tmp_path / taken).stat().st_ino == before.st_ino


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "a")
    command = [sys.executable, "-m", "d2lrnn.predict", str(tmp_path / "a"), "--length", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()

        said = process.stderr.read().decode().splitlines()
        assert [line.split(": ")[0] for line in said] == [predict.PROG] * 2
        assert process.wait() == 128 + signal.SIGPIPE


# --- prefixes of several lines ---

LINES = "\nabQUEN:\\ "  # what knows line ends; CHARS has none


def written(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What predict writes, greedily and of a few characters, but for arguments that say otherwise."""
    capsys.readouterr()
    assert predict.main([str(path), "--length", "3", "--temperature", "0", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "prefix"),
    [
        (r"QUEEN:\n", "QUEEN:\n"),
        (r"\n\na", "\n\na"),
        (r"a\\nb", r"a\nb"),
        (r"a\\\nb", "a\\\nb"),
        ("\\ab\\", "\\ab\\"),
        ("QUEEN:\n", "QUEEN:\n"),
        ("a\r\nb\ra", "a\nb\na"),
        ("\ufeffa", "a"),
    ],
)
def test_in_an_argument_a_line_end_is_written_with_a_backslash(
    argument: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a", chars="".join(sorted(LINES + "n")))

    text = written(tmp_path / "a", capsys, f"--prefix={argument}")

    assert text[: len(prefix)] == prefix
    assert len(text) == len(prefix) + 3 + 1


@pytest.mark.parametrize("line_end", [r"\n", "\n", "\r\n", "\r"])
def test_where_lines_were_spaces_a_line_end_is_one(
    line_end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    same = written(tmp_path / "a", capsys, "--prefix", "a b ")
    assert written(tmp_path / "a", capsys, f"--prefix=a{line_end}b{line_end}") == same


@pytest.mark.parametrize(
    ("data", "prefix"),
    [
        (b"QUEEN:\n", "QUEEN:\n"),
        (b"QUEEN:", "QUEEN:"),
        (b"\xef\xbb\xbfab\\n\n\n", "ab\\n\n\n"),
        (b"\n", "\n"),
        (b"ab\r\nab", "ab\nab"),
    ],
)
@pytest.mark.parametrize("place", ["file", "stdin"])
def test_a_prefix_from_a_file_is_taken_exactly(
    place: str,
    data: bytes,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "a", chars="".join(sorted(LINES + "n")))
    (tmp_path / "prefix").write_bytes(data)
    with open(tmp_path / "prefix", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        name = "-" if place == "stdin" else str(tmp_path / "prefix")
        text = written(tmp_path / "a", capsys, "--prefix-file", name)

    assert (text[: len(prefix)], len(text)) == (prefix, len(prefix) + 3 + 1)


def test_prefixes_of_arguments_and_files_keep_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    (tmp_path / "prefix").write_text("b\n")

    name = str(tmp_path / "prefix")
    text = written(tmp_path / "a", capsys, "--prefix=a", f"--prefix-file={name}", "--prefix=c")

    assert [line for line in text.splitlines() if line[:3] == "---"] == ["--- 1: a", "--- 2: b ", "--- 3: c"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "No such file"),
        ("", "Is a directory"),
        ("a\0b", "null"),
        ("latin-1", "not UTF-8 text: byte 1"),
        ("empty", "is empty"),
        ("bom", "is empty"),
        ("/dev/zero", "more than 40,000,000 bytes"),
    ],
)
def test_a_file_that_holds_no_prefix_is_refused_in_one_line(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin-1").write_bytes("dé".encode("latin-1"))
    (tmp_path / "empty").touch()
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf")

    code = exit_code_of(predict.main, ["--prefix-file", os.path.join(tmp_path, name)])

    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--prefix-file" in err and reason in err


def test_a_file_keeps_prefixes_with_line_ends_and_older_ones_are_read(tmp_path: Path) -> None:
    prefixes = ("a\nb", "\n", "a", r"\n", "QUEEN:\n")
    settings, vocab = Settings(cell="rnn", hidden_dim=2, prefix=prefixes), Vocab(LINES)
    write_network(tmp_path / "a", settings, vocab, get_network("rnn").get_params(len(vocab), 2))
    entries, arrays = split((tmp_path / "a").read_bytes())

    assert read_network(tmp_path / "a").settings.prefix == prefixes
    assert entries["__metadata__"]["prefix"] == "a\n\\n"  # what older versions can read
    del entries["__metadata__"]["prefixes"]
    (tmp_path / "b").write_bytes(join(entries, arrays))
    assert read_network(tmp_path / "b").settings.prefix == ("a", r"\n")


# --- stops ---


def first_stop(prefix: str, new: str, stops: Sequence[str]) -> str:
    """What is left of prefix and new: by the definition, one character after the other."""
    for end in range(1, len(new) + 1):
        text = prefix + new[:end]
        begins = [len(text) - len(stop) for stop in stops if text.endswith(stop)]
        if begins:
            return text[: max(min(begins), len(prefix))]
    return prefix + new


@given(
    st.text("ab\n", max_size=6),
    st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=6),
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
)
def test_a_text_ends_before_the_first_stop_and_nothing_is_taken_back(
    prefix: str, pieces: list[str], stops: list[str]
) -> None:
    text, shown, new = Unfinished(prefix, stops), prefix, ""
    for piece in pieces:
        new += piece
        shown += text.add(piece)
        final = first_stop(prefix, new, stops)
        assert final.startswith(shown)
        assert len(final) - len(shown) < max(map(len, stops), default=1), "more is held back than a stop"
        assert text.is_over is (final != prefix + new or any((prefix + new).endswith(s) for s in stops))
        if text.is_over:
            break
    assert shown + text.rest() == first_stop(prefix, new, stops)


@pytest.mark.parametrize("temperature", ["0", "2"])
@pytest.mark.parametrize("stops", [["b"], ["ab", "\n\n"], ["\n", "aba"], ["Q" * 400]])
def test_each_text_ends_at_its_own_stop(
    stops: list[str], temperature: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a", "lstm", chars="\nabc")
    drawn = ["--temperature", temperature, "--num-samples", "4", "--seed", "1", "--length", "90"]
    drawn += ["--prefix=c", r"--prefix=ca\n"]
    capsys.readouterr()

    def texts(*arguments: str) -> list[str]:
        text = written(tmp_path / "a", capsys, *drawn, *arguments)
        return [part[:-1] for part in re.split(r"(?m)^--- .*\n", text)[1:]]

    whole = texts()
    ended = texts(*(f"--stop={escape(stop)}" for stop in stops))

    assert len(whole) == 8 and all(len(text) > 90 for text in whole)
    lengths = [1] * 4 + [3] * 4
    assert ended == [first_stop(text[:n], text[n:], stops) for text, n in zip(whole, lengths)]


def test_a_stop_that_cannot_be_is_refused_and_one_that_never_comes_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    assert "--stop is empty" in refusal([str(tmp_path / "a"), "--stop="], capsys)
    assert predict.main([str(tmp_path / "a"), "--stop", r"x\n", "--seed", "1"]) == 0
    assert "--stop x  without effect: this network never writes 'x'" in capsys.readouterr().err


# --- what is said beside the text ---


def test_a_seed_that_is_drawn_is_named_and_writes_the_same_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    drawn = [str(tmp_path / "a"), "--length", "40"]

    texts = set()
    for _ in range(3):
        assert predict.main(drawn) == 0
        text, err = capsys.readouterr()
        (seed,) = re.findall(r"--seed (\d+) writes this again", err)
        assert predict.main([*drawn, "--seed", seed]) == 0
        assert capsys.readouterr() == (text, f"{predict.PROG}: writes from {tmp_path / 'a'}\n")
        texts.add(text)
    assert len(texts) > 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seed=1"], None),
        (["--seed=1", "--top-k=3", "--top-p=0.9", "--num-samples=2"], None),
        (["--temperature=0"], None),
        (
            ["--temperature=0", "--seed=1", "--top-k=3", "--top-p=1"],
            "--top-k, --top-p, --seed without effect at temperature 0: always the likeliest character",
        ),
        (["--top-k=1", "--seed=1"], "--seed without effect with --top-k 1: always the likeliest character"),
        (["--temperature=0", "--num-samples=2"], "at temperature 0 all texts of a prefix are the same"),
        (["--seed=1", "--top-k=11"], "--top-k 11 without effect: this network knows 11 characters"),
        (["--seed=1", "--top-p=1"], "--top-p 1 without effect: all characters share this probability"),
    ],
    ids=lambda found: " ".join(found) if isinstance(found, list) else "",
)
def test_flags_without_effect_are_told(
    arguments: list[str], line: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    assert predict.main([str(tmp_path / "a"), *arguments]) == 0

    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"{predict.PROG}: writes from {tmp_path / 'a'}"
    assert others == ([f"{predict.PROG}: {line}"] if line else [])


# --- several texts ---


@pytest.mark.parametrize(
    ("chars", "mark"),
    [("ab", "---"), ("-ab\n", "==="), ("-=#*~+_ab\n", "───"), ("-=#*~+_─═━\u2502ab", "\u2503" * 3)],
)
def test_a_line_that_no_text_can_hold_tells_texts_apart(
    chars: str, mark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocab = Vocab(chars)
    prefixes = [*vocab.idx_to_char, "".join(vocab.idx_to_char)]
    write(tmp_path / "a", chars="".join(vocab.idx_to_char))
    flags = ["--seed=5", "--temperature=3", "--length=60"]

    text = written(tmp_path / "a", capsys, *flags, *(f"--prefix={escape(prefix)}" for prefix in prefixes))

    assert text.startswith(f"{mark} 1, seed 5: {escape(prefixes[0])}\n")
    parts = re.split(rf"(?m)^{re.escape(mark)} (\d+), seed 5: (.*)\n", text)
    assert parts[1::3] == [str(k + 1) for k in range(len(prefixes))]
    assert [unescape(prefix) for prefix in parts[2::3]] == prefixes
    alone = [written(tmp_path / "a", capsys, *flags, f"--prefix={escape(prefix)}") for prefix in prefixes]
    assert parts[3::3] == alone


@given(st.lists(st.tuples(st.text("-=ab\n\\", min_size=1), st.text("-=ab\n\\"))))
def test_the_samples_of_an_epoch_can_be_read_again(samples: list[tuple[str, str]]) -> None:
    prefixes, texts = [prefix for prefix, _ in samples], [prefix + new for prefix, new in samples]

    text = format_samples(7, prefixes, texts, Vocab("-=ab\n\\"))

    parts = re.split(r"(?m)^### epoch 7: (.*)\n", text)
    assert [unescape(prefix) for prefix in parts[1::2]] == prefixes
    assert parts[2::2] == [f"{one}\n" for one in texts]


# --- a text as it comes ---


@pytest.mark.parametrize("flags", [["--temperature=0"], ["--seed=1"], ["--seed=1", "--num-samples=3"]])
def test_characters_are_shown_as_soon_as_they_are_written(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a")

    class Terminal(io.StringIO):
        shown = 0

        def flush(self) -> None:
            self.shown = len(self.getvalue())

    terminal, seen = Terminal(), []
    writer_of = Network.writer

    def watched(network: Network, params: Any) -> Writer:
        writer = writer_of(network, params)
        led = writer._replace(go_on=None)

        def read(X: nd.NDArray, state: Any) -> Any:
            seen.append(terminal.shown)
            return writer.read(X, state)

        return led._replace(read=read)

    monkeypatch.setattr(Network, "writer", watched)
    monkeypatch.setattr(predict, "FLUSH", -1)
    monkeypatch.setattr(sys, "stdout", terminal)

    assert predict.main([str(tmp_path / "a"), "--prefix=abc", "--length=9", *flags]) == 0

    heading = len("--- 1, seed 1: abc\n") if "--num-samples=3" in flags else 0
    # the prefix is there at once, and then each character
    assert [shown - heading for shown in seen] == [3, 3, *range(3, 12)]


@pytest.mark.parametrize("choice", [Choice(temperature=0), Choice(temperature=0.8, seed=1)], ids=str)
def test_what_is_written_in_chunks_comes_in_chunks(choice: Choice, tmp_path: Path) -> None:
    write(tmp_path / "a")
    found = read_network(tmp_path / "a")
    vocab, writer = found.vocab, found.network.writer(found.params)

    pieces = list(stream(["ab", "c"], 50, writer, vocab, choice))

    assert [len(piece) for i, piece in pieces if i == 0 and piece] == [2, 20, 20, 10]
    texts = ["".join(piece for i, piece in pieces if i == k) for k in (0, 1)]
    assert texts == generate_batch(["ab", "c"], 50, writer, vocab, choice)
    assert [i for i, _ in pieces] == sorted(i for i, _ in pieces)


# --- a conversation ---


class Terminal:
    """python -m d2lrnn.predict --interactive on a terminal of its own."""

    def __init__(self, network: Path, *arguments: str) -> None:
        self.fd, theirs = pty.openpty()
        command = [sys.executable, "-m", "d2lrnn.predict", str(network), "--interactive", *arguments]
        environ = {**os.environ, "XDG_STATE_HOME": str(network.parent / "state"), "TERM": "dumb"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def read(self, until: str) -> str:
        """What is shown, up to where it first matches until; or to the end of all."""
        shown = ""
        while not re.search(until, shown):
            try:
                piece = os.read(self.fd, 1)  # no byte more: the next call is to find the rest
            except OSError:  # it has ended
                break
            shown += piece.decode("latin-1")
        return shown.replace("\r", "")

    def end(self) -> int:
        self.read("(?!)")
        return self.process.wait()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
def test_a_conversation_asks_again_stops_a_text_and_remembers(tmp_path: Path) -> None:
    write(tmp_path / "a", chars="\nabcdefgh")
    _, _, vocab, network, params, *_ = read_network(tmp_path / "a")
    (text,) = generate_batch(["ab\n"], 50, network.writer(params), vocab, Choice(temperature=0))
    with Terminal(tmp_path / "a", "--length=9000000", "--temperature=0") as terminal:
        assert terminal.read("> ") == f"{predict.PROG}: writes from {tmp_path / 'a'}\n> "
        terminal.type("x\n")
        assert f"{predict.PROG}: 'x' (U+0078): not among the 9 characters" in terminal.read("\n> ")
        terminal.type("\n")
        assert terminal.read("> ") == "\n> "
        terminal.type(r"ab\n" + "\n")
        shown = re.escape(text).replace("\\\n", "\r\n")
        assert terminal.read(shown).startswith("ab\\n\nab\n")
        terminal.type("\x03")
        assert terminal.read("\n> ")
        terminal.type("\x10\x01c\n")  # the line before this one, its beginning
        terminal.read(r"cab\r\n")
        terminal.type("\x03")
        terminal.read("\n> ")
        terminal.type("\x04")

        assert terminal.end() == 0
    assert (tmp_path / "state/d2lrnn/history").read_text().splitlines() == ["x", r"ab\n", r"cab\n"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_at_the_prompt_a_signal_ends_the_conversation(number: int, code: int, tmp_path: Path) -> None:
    write(tmp_path / "a")
    with Terminal(tmp_path / "a") as terminal:
        terminal.read("> ")
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            terminal.process.send_signal(number)

        assert terminal.read(": stopped").endswith(f"\n{predict.PROG}: stopped")
        assert terminal.end() == code


@pytest.mark.slow
def test_sigterm_ends_more_than_the_text(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with Terminal(tmp_path / "a", "--length=9000000") as terminal:
        terminal.read("> ")
        terminal.type("ab\n")
        terminal.read("\nab.{9}")
        terminal.process.send_signal(signal.SIGTERM)

        assert terminal.end() == 143


def converse(data: bytes, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file, encoding="utf-8"))
        return predict.main(["--interactive", *arguments])


def test_from_a_pipe_each_line_is_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a", chars="\nab")
    network = str(tmp_path / "a")

    assert converse(b"a\r\n\nx\n\xff\nb\\na\n\nb", monkeypatch, network, "--seed=3") == 0

    out, err = capsys.readouterr()
    parts = re.split(r"(?m)^--- (.*)\n", out)
    assert parts[1::2] == ["1, seed 3: a", r"2, seed 4: b\na", "3, seed 5: b"]
    for k, prefix in enumerate(["a", "b\na", "b"]):
        assert predict.main([network, f"--seed={3 + k}", f"--prefix={prefix}"]) == 0
        assert capsys.readouterr().out == parts[2 + 2 * k]
    said, unknown, no_text = err.splitlines()
    assert said == f"{predict.PROG}: writes from {network}"
    assert "'x' (U+0078)" in unknown and "not utf-8 text" in no_text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--prefix=a"], "--interactive asks for prefixes"),
        (["--length=-1"], "num_chars is -1"),
        (["--seed=-1"], "seed is -1"),
        (["--top-k=0"], "top_k is 0"),
        (["--num-samples=0"], "num_samples is 0"),
        (["--temperature=-1"], "temperature is -1.0"),
    ],
)
def test_flags_that_cannot_be_are_refused_before_anything_is_asked(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "a")

    assert converse(b"a\na\n", monkeypatch, str(tmp_path / "a"), *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert reason in err
