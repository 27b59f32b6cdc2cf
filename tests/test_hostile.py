"""What nobody would type, and somebody will: each is answered in one line that a terminal may show."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from d2lrnn import Vocab, predict, train
from d2lrnn.running import run as run_module
from d2lrnn.text import MAX_CHARS, encode_prefix

import pytest
from small_run import SMALL, exit_code_of, run_small

from audits import fuzzing

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("empty_folder")]

corpora = importlib.import_module("d2lrnn.corpora")

BILLION = 10**9
SURROGATE = os.fsdecode(b"\xff")
STEERING = "\x1b[31m\r\n\u202e\x9b" + SURROGATE


def check_refused(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """The one line on stderr."""
    capsys.readouterr()
    code = exit_code_of(main, arguments)
    out, err = capsys.readouterr()
    assert (code, out, err[-1:]) == (2, "", "\n")
    assert err[:-1].isprintable()
    assert len(err) < 1300
    return err


# --- flags ---


@pytest.mark.parametrize("flag", ["layers", "hidden-dim", "batch-size", "num-steps", "pred-len"])
@pytest.mark.parametrize("size", [BILLION, 2**31 - 1, 2**31, 10**300], ids=["1e9", "2^31-1", "2^31", "1e300"])
def test_a_size_that_cannot_be_is_refused_before_anything_is_allocated(
    flag: str, size: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(run_module, "get_regularised")

    line = check_refused(train.main, [*SMALL, f"--{flag}={size}"], capsys)

    assert f"--{flag}" in line or f"{size:,}" in line
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("flag", ["epochs", "seed", "layers"])
@pytest.mark.parametrize(
    "value", ["0x10", "1e3", "nan", "", "9" * 5000, STEERING], ids=lambda value: ascii(value)[:20]
)
def test_what_is_no_integer_is_no_size_and_no_seed(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"--{flag}" in check_refused(train.main, [f"--{flag}={value}"], capsys)


@pytest.mark.parametrize("flag", ["lr", "clip", "scale", "heldout", "dropout"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "-inf", "1e400", "-1e400"])
def test_a_number_beyond_all_bounds_is_refused_by_its_flag(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"--{flag}" in check_refused(train.main, [*SMALL, f"--{flag}={value}"], capsys)


@pytest.mark.parametrize("scale", ["1e308", "5e-324"])
def test_weights_that_float32_cannot_hold_are_refused(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--scale" in check_refused(train.main, [*SMALL, f"--scale={scale}"], capsys)


def test_digits_of_other_scripts_are_digits(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--seed -3" in check_refused(train.main, ["--seed=-٣"], capsys)


@pytest.mark.parametrize(
    "argument",
    [
        *(f"{flag}{STEERING}" for flag in ("--", "--cell=", "--corpus=", "--resume=", "--prefix=")),
        *("--cell=" + "x" * 10**5, "--corpus=" + "x" * 10**5, "--prefix=" + "€" * 10**6, "--prefix=\0"),
        *("--resume=/dev/zero", "--resume=a\0b", "--corpus=", "--corpus=a\0b", "--corpus=/dev/full"),
        *("--out=/dev/null", "--out=a\0b"),
    ],
    ids=lambda argument: ascii(argument)[1:20],
)
def test_no_argument_steers_the_terminal_or_fills_it(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refused(train.main, [*SMALL, argument], capsys)

    assert not list(Path.cwd().iterdir())


def test_a_name_that_is_no_unicode_arrives_from_the_shell_and_a_fifo_is_not_waited_for() -> None:
    os.mkfifo(b"\xff\n.txt")
    command = [sys.executable, "-m", "d2lrnn.train", b"--corpus", b"\xff\n.txt"]

    done = subprocess.run(command, capture_output=True, timeout=300)

    assert (done.returncode, done.stdout) == (2, b"")
    assert rb"'\udcff\n.txt' is not a regular file" in done.stderr
    assert done.stderr.count(b"\n") == 1


# --- prefixes ---


@pytest.fixture
def trained(capsys: pytest.CaptureFixture[str]) -> str:
    run_small("--epochs", 1, "--out", "runs/a")
    return "runs/a"


def test_predict_refuses_what_it_cannot_write(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("fifo")
    for arguments, reason in [
        ([trained, "--prefix="], "prefix"),
        ([trained, "--prefix=€\u202e\x1b\0"], r"'\x00' (U+0000), '\x1b' (U+001B), '\u202e' (U+202E), '€'"),
        ([trained, "--prefix", SURROGATE], r"'\udcff' (U+DCFF)"),
        ([trained, "--prefix", "مرحبا"], "'ا'"),
        ([trained, "--prefix", "€" * 10**6], "'€'"),
        ([trained, f"--length={BILLION}"], "1,000,000,000"),
        ([trained, "--length=" + "9" * 5000], "--length"),
        ([trained, "--temperature=1e400"], "temperature"),
        ([trained, "--top-k=-1"], "top_k"),
        ([trained, "--top-p=nan"], "top_p"),
        ([trained, "--seed=4294967296"], "4294967296"),
        ([STEERING], "no"),
        (["x" * 10**5], "no"),
        (["a\0b"], "no"),
        (["/dev/zero"], "no"),
        (["fifo"], "no"),
        ([""], ""),
    ]:
        assert reason in check_refused(predict.main, arguments, capsys), arguments


def test_a_text_is_at_most_max_chars_long() -> None:
    vocab = Vocab("ab")
    assert encode_prefix("ab", MAX_CHARS - 2, vocab) == [0, 1]

    with pytest.raises(ValueError, match="9,999,999"):
        encode_prefix("ab", MAX_CHARS - 1, vocab)


def test_a_corpus_of_control_characters_is_written_without_them(
    trained: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d2lrnn.cli.is_terminal", lambda file: True)
    Path("a.txt").write_text("\x1b[31m\u202e\x9b" * 99)
    capsys.readouterr()

    assert run_small("--corpus", "a.txt", "--epochs", 1, "--out", "runs/b") == 0
    assert predict.main(["runs/b", "--length", "9"]) == 0

    out, err = capsys.readouterr()
    assert r"\x1b[31m\u202e" in out
    assert (out + err).replace("\n", "").isprintable()


# --- the campaign of audits/fuzzing.py in short, and that it sees what it is there for ---


def test_mutated_corpora_are_read_rightly_or_refused() -> None:
    found = fuzzing.fuzz_corpora(minutes=0.05, seed=0, engine="lines")

    assert found["findings"] == []
    assert found["inputs"] > 100 < found["coverage_of_seeds"]
    assert found["peak_memory_mib"] < found["memory_at_start_mib"] + 100


@pytest.mark.parametrize(
    ("mistake", "finding"),
    [
        (lambda data: {}["planted"], "KeyError at test_hostile.py"),
        (lambda data: data.decode(errors="replace"), "AssertionError"),
        (lambda data: data.decode(), "a UnicodeDecodeError is not one of our refusals"),
    ],
    ids=["traceback", "another text", "a bare refusal"],
)
def test_the_campaign_sees_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[bytes], str], finding: str
) -> None:
    def reads_badly(sources: list[Path], *_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(text=mistake(sources[0].read_bytes()), notes=[])

    monkeypatch.setattr(importlib.import_module("d2lrnn.text"), "read_texts", reads_badly)
    tally = fuzzing.Tally(tmp_path)
    tally.try_input(bytes([fuzzing.AS_IT_IS]) + b"a\xff\n")

    assert [what for what in tally.findings if finding in what]


@pytest.mark.parametrize(
    ("end", "finding"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("time.sleep(60)", "hang"),
        ("sys.exit(3)", "exit code 3"),
    ],
)
def test_the_campaign_sees_what_kills_its_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, finding: str
) -> None:
    script = tmp_path / "child.py"
    tally = {"findings": {}, "seconds": 1, "inputs": 1, "read": 0, "coverage_seeds": 0, "coverage": 0}
    tally |= {"slowest_ms": 1, "slowest_input": "", "peak_memory": 1, "memory_at_start": 1}
    script.write_text(
        "import os, pathlib, signal, sys, time\nfolder = pathlib.Path(sys.argv[2])\n"
        f"(folder / 'tally.json').write_text({json.dumps(tally)!r})\n"
        f"(folder / 'a.txt').write_text('x')\n{end}"
    )
    monkeypatch.setattr(fuzzing, "__file__", str(script))
    monkeypatch.setattr(fuzzing, "HANG_SECONDS", 1 if finding == "hang" else 600)

    found = fuzzing.fuzz_corpora(minutes=1, engine="lines")

    (death,) = found["findings"]
    assert death["what"].startswith(finding)
    assert (found["signals"], found["hangs"]) == (int(finding != "hang"), int(finding == "hang"))
    assert death["input"] == fuzzing.packed(bytes([fuzzing.AS_IT_IS]) + b"x")
