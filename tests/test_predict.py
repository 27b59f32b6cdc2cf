"""A network from a run directory or from one file writes the same; anything else is refused in words."""

import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, export, predict
from d2lrnn.checkpoint import load_newest, save_next
from d2lrnn.fast import get_network
from d2lrnn.formats.safetensors_file import read_network, write_network
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings

import numpy as np
import pytest
from mxnet import nd
from safetensors.numpy import save

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

    source, settings, vocab, network, found, what = read_network(tmp_path / "a")

    assert (source, what) == (tmp_path / "a", "")
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
    assert capsys.readouterr().out == f"{exported} holds the network of {run}\n"

    texts = []
    for source in (str(run), exported):
        assert predict.main([source, "--length", "30", "--temperature", "1", "--seed", "3"]) == 0
        texts.append(capsys.readouterr().out)

    assert texts[0] == texts[1]
    assert len(texts[0]) > 30


def test_best_takes_the_parameters_that_did_best(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, arrays, facts, _ = load_newest(run / "checkpoints")
    arrays["W_hy"][:] = 0
    arrays["b_y"][:] = 0
    arrays["b_y"][7] = 9
    save_next(run / "best", arrays, facts)

    predict.main([str(run), "--best", "--length", "9"])
    best = capsys.readouterr().out.splitlines()
    predict.main([str(run), "--length", "9"])
    newest = capsys.readouterr().out.splitlines()
    assert export.main([str(run), "--best", "--out", str(run / "best.safetensors")]) == 0
    predict.main([str(run / "best.safetensors"), "--length", "9"])

    assert all(line.endswith(facts["chars"][7] * 9) for line in best)
    assert not any(line.endswith(facts["chars"][7] * 9) for line in newest)
    assert capsys.readouterr().out.splitlines()[1:] == best


def test_where_there_is_no_best_it_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run / "a.safetensors")

    assert "holds no best checkpoint" in refusal([str(run), "--best"], capsys)
    assert "give a run directory" in refusal([str(run / "a.safetensors"), "--best"], capsys)


def test_texts_written_together_are_those_written_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")

    def lines(*arguments: str) -> list[str]:
        assert predict.main([str(tmp_path / "a"), "--length", "8", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    together = lines("--prefix", "abc分开", "--prefix", "h", "--num-samples", "2", "--seed", "1")

    one_by_one = [("abc分开", "1"), ("abc分开", "2"), ("h", "1"), ("h", "2")]
    assert together == [
        lines("--prefix", prefix, "--seed", seed, "--temperature", "1")[0] for prefix, seed in one_by_one
    ]
    assert len(set(together)) == 4
    assert lines("--prefix", "h") == lines("--prefix", "h", "--temperature", "0")


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

    predict.main([str(tmp_path / "a"), "--prefix", " "])
    assert predict.main([str(tmp_path / "b")]) == 0

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
                _, settings, vocab, _, found, _ = read_network(tmp_path / "b")
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
    "no object": (header(lambda entries: b"[1, 2]"), "no JSON object"),
    "a deep object": (header(lambda entries: b"[" * 99_999), "RecursionError"),
    "a name twice": (header(lambda entries: b'{"a": {}, "a": {}}'), "a name comes twice"),
    "no metadata": (header(lambda entries: b'{"W_hy": {}}'), "do not say cell, chars, hidden_dim, layers"),
    "a number in metadata": (metadata(layers=1), "not all strings"),
    "another cell": (metadata(cell="elman"), "--cell elman"),
    "no layers": (metadata(layers="0"), "--layers 0"),
    "layers in words": (metadata(layers="one"), "invalid literal"),
    "many layers": (metadata(layers="1000000000"), "not those of 1000000000 layers of gru"),
    "a huge hidden_dim": (metadata(hidden_dim="2000000000"), "instead of"),
    "a number too long": (metadata(hidden_dim="9" * 9999), "no whole safetensors file"),
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
        b"[" + b"[]," * 600_000 + b"[]]",
        b'{"a":[' + b"0," * 900_000 + b"0]}",
        b'{"' + b"a" * 1_900_000 + b'": 0}',
    ],
    ids=["lists", "numbers", "a name"],
)
def test_no_header_takes_long_or_much_memory(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(join(header, b""))
    before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    with pytest.raises(ValueError, match="no whole safetensors file"):
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
    assert "folder is no run directory" in refusal([str(tmp_path / "folder")], capsys)
    assert "nowhere is no run directory" in refusal([str(tmp_path / "nowhere")], capsys)
    assert "x" * 400 in refusal(["x" * 5000], capsys)


def test_a_name_with_a_line_end_stays_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\n\x1b[2Jb").write_bytes(b"")

    assert "a\\n\\x1b[2Jb" in refusal([str(tmp_path / "a\n\x1b[2Jb")], capsys)


def test_control_characters_that_a_network_writes_are_shown_as_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a", chars="\x07\x1b[]ab\x9b\u202e")

    assert predict.main([str(tmp_path / "a"), "--length", "60", "--temperature", "9", "--seed", "0"]) == 0

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
    assert "is no file: give the name of one" in refusal(arguments, capsys, export)
    assert (tmp_path / taken).stat().st_ino == before.st_ino


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "a")
    command = [sys.executable, "-m", "d2lrnn.predict", str(tmp_path / "a"), "--length", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()

        assert process.stderr.read() == b""
        assert process.wait() == -signal.SIGPIPE
