"""Hostile corpora: texts and zips, mutated and read. Each must be read correctly or refused in one line.

    python audits/fuzzing.py --minutes 20                 guided by atheris where it is installed
    python audits/fuzzing.py --minutes 1 --engine lines   guided by our own count of lines reached
    python audits/fuzzing.py --input eNp...               one input again, with its traceback
    python audits/fuzzing.py --what classes --inputs 100000 --minutes 60    what students hand in, instead

The inputs are tried in a child process, so that what kills it is seen here. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import bz2
import codecs
import gzip
import importlib
import importlib.util
import io
import json
import lzma
import math
import os
import random
import re
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # run as a script
    sys.path.insert(0, ROOT)

from audits import fuzzing_classes  # noqa: E402

SONG = "风吹过山岗\r\n我在等天亮\n"
MAX_LEN = 2**16
HANG_SECONDS = 10
START_SECONDS = 120  # mxnet is imported, on a busy machine
INTERESTING = (0, 1, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
AS_IT_IS, AS_ZIP, ZIPPED = range(3)  # what the first byte says about the others
NUM_PATCHES = 4
PACKED = (b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # a text with such a start is not read as it is


# --- inputs ---


def as_file(data: bytes) -> tuple[str, bytes, bytes | None]:
    """The name and the bytes of the file that an input stands for, and the text in it where that is known.

    ZIPPED: a text in a sound archive, in which up to four bytes are then changed. Few mutants of an archive
    have the right checksum; these do.
    """
    kind, rest = data[0] % 3 if data else 0, data[1:]
    if kind == AS_IT_IS:
        return "a.txt", rest, rest
    if kind == AS_ZIP:
        return "a.zip", rest, None
    patches, text = rest[: 3 * NUM_PATCHES], rest[3 * NUM_PATCHES :]
    archive = bytearray(zipped({"a.txt": text}, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[len(text) % 2]))
    for place, flip in struct.iter_unpack("<HB", patches[: len(patches) // 3 * 3]):
        archive[-1 - place % len(archive)] ^= flip
    return "a.zip", bytes(archive), text


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **attributes: Any) -> bytes:
    """An archive of these files; attributes are set on each ZipInfo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content)
    return buffer.getvalue()


def forged(archive: bytes, offset: int, form: str, value: int) -> bytes:
    """The archive with a field of its last directory entry overwritten."""
    forgery = bytearray(archive)
    struct.pack_into(form, forgery, archive.rindex(b"PK\1\2") + offset, value)
    return bytes(forgery)


def streamed(text: bytes) -> bytes:
    """An archive as it comes from a pipe: sizes and checksum follow the text."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
    return pipe.written


def hand_made_zips() -> Iterator[bytes]:
    """Archives with one thing wrong or odd."""
    song = SONG.encode()
    one = zipped({"a.txt": song})
    yield from (one, zipped({"a.txt": song}, zipfile.ZIP_STORED), zipped({"a.txt": one}, zipfile.ZIP_STORED))
    yield from (streamed(song), b"#!/bin/sh\n" + one, one[:-9], one + b"\n", one + one)
    yield from (zipped({}), zipped({"d/": b""}), zipped({"a.md": song}))
    yield from (zipped({"a.txt": song, name: b"\0"}) for name in ("b.txt", "__MACOSX/._a.txt"))
    odd = ("../a.txt", "/a.txt", "C:\\a.txt", "..\\a.txt", "歌\n\x1b[31m\u202e.txt", 300 * "a" + ".txt")
    yield from (zipped({name: song}) for name in odd)
    yield zipped({"a.txt": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    yield from (zipped({"a.txt": song}, method) for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    for offset, form, value in (
        (6, "<H", 99), (8, "<H", 1), (8, "<H", 0x61), (8, "<H", 0x800), (10, "<H", 97), (16, "<I", 1),
        (20, "<I", 1), (20, "<I", 2**32 - 1), (24, "<I", 1), (24, "<I", 2**32 - 1), (28, "<H", 2**16 - 1),
        (42, "<I", 2**31),
    ):  # fmt: skip
        yield forged(one, offset, form, value)
    zip64 = struct.pack("<HHQQQ", 1, 24, 2**63, len(one), 0)
    for lie in (zip64, zip64[:-5], struct.pack("<HHQ", 1, 8, 2**40), b"up\xff\xff", b"\1\0\0\0"):
        yield forged(zipped({"a.txt": song}, extra=lie), 24, "<I", 2**32 - 1)
    locator = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 2**62, 2**62)
    yield one[:-22] + locator + b"PK\6\7" + struct.pack("<IQI", 0, len(one) - 22, 1) + one[-22:]
    with_comment = one[:-2] + struct.pack("<H", 2**16 - 1)
    yield from (with_comment + b"c" * 30_000, with_comment + b"PK\5\6" * 9)
    deflate = zlib.compressobj(9, wbits=-15)
    swollen = deflate.compress(b"a" * (2**24 + 1)) + deflate.flush()
    bomb = zipped({"a.txt": swollen}, zipfile.ZIP_STORED)
    yield from (forged(forged(bomb, 10, "<H", 8), 24, "<I", size) for size in (9, 2**24, 2**24 + 1))
    yield forged(forged(forged(bomb, 10, "<H", 8), 20, "<I", 2**30), 24, "<I", 2**30)


def seed_inputs() -> list[bytes]:
    """The seed corpus: texts in every encoding, and hand-made archives."""
    encodings = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030")
    texts = [SONG.encode(encoding) for encoding in encodings] + ["déjà vu".encode("latin-1")]
    texts += [b"", b"a", b"\n", b"a" * 99, b"\0", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"PK\3\4"]
    texts += [rb"\ud800 \u0000"]
    texts += [pack(SONG.encode()) for pack in (gzip.compress, bz2.compress, lzma.compress)]
    texts += ["😀\u202e\x1b[2J\u2028\x85\ufeff\x00".encode()[:n] for n in (4, 7, 11, 16, 20)]
    kinds = [bytes([AS_IT_IS]) + text for text in texts]
    kinds += [bytes([ZIPPED]) + bytes(3 * NUM_PATCHES) + text for text in texts]
    return kinds + [bytes([AS_ZIP]) + archive for archive in hand_made_zips()]


# --- what is asked of every input ---


def check(data: bytes, folder: Path) -> bool:
    """Read the input as a corpus, and make a vocabulary of what was read; True if it was read at all.

    Raises:
        AssertionError: another text was read than written, or a refusal is not one line with the name.
        Exception: what a user would see as a traceback.
    """
    from d2lrnn import Vocab, load_corpus

    name, content, text = as_file(data)
    path = folder / name
    path.write_bytes(content)
    try:
        read = load_corpus(path)
    except ValueError as error:
        _check_refusal(error, str(path))
        return False
    assert not {"\n", "\r"} & set(read), "the corpus is not one line"
    assert read.strip(), "the corpus is no text"
    if text is not None and not text.startswith(PACKED):
        lines = text.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert read.encode() == lines.replace(b"\n", b" "), "another text was read than was written"
    vocab = Vocab(read)
    assert vocab.decode(vocab.encode(read)) == read, "decode does not undo encode"
    try:
        Vocab(read[: len(read) // 2]).encode(read)
    except ValueError as error:
        _check_refusal(error, "not among")
    return True


def _check_refusal(error: ValueError, word: str) -> None:
    assert type(error) is ValueError, f"a {type(error).__name__} is not one of our refusals"
    assert word in str(error), f"no {word}: {error}"
    assert str(error).isprintable(), f"no line that may be shown: {str(error)!r}"


class Target(NamedTuple):
    """What is fuzzed: its modules, whose lines count, its first inputs, and what is asked of every input."""

    modules: tuple[str, ...]
    seed_inputs: Callable[[], list[bytes]]
    check: Callable[[bytes, Path], bool]


TARGETS = {
    "corpora": Target(("zipfile", "d2lrnn.corpora", "d2lrnn.text"), seed_inputs, check),
    "classes": Target(fuzzing_classes.MODULES, fuzzing_classes.seed_inputs, fuzzing_classes.check),
}


class Tally:
    """What the child has seen so far, and the file in which it reports to its parent."""

    def __init__(self, folder: Path, what: str = "corpora", most: float = math.inf) -> None:
        self.folder, self.what, self.most = folder, what, most
        self.inputs = self.read = 0
        self.slowest_ms = 0.0
        self.slowest_input = ""
        self.findings: dict[str, str] = {}
        self.coverage_seeds = self.coverage = 0
        self.start = self.written = self.memory_at_start = 0.0

    def begin(self) -> None:
        """Start counting time and memory; signals that mxnet caught kill again."""
        for module in TARGETS[self.what].modules:  # d2lrnn before mxnet
            importlib.import_module(module)
        importlib.import_module("mxnet")
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT):
            signal.signal(number, signal.SIG_DFL)
        self.start = time.monotonic()
        self.memory_at_start = peak_memory_mib()
        self.write()

    def try_input(self, data: bytes) -> None:
        """Check one input; a traceback becomes a finding, one for each place that raises."""
        start = time.perf_counter()
        try:
            self.read += TARGETS[self.what].check(data, self.folder)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            self.findings.setdefault(f"{type(error).__name__} at {place}: {error}"[:300], packed(data))
        self.inputs += 1
        milliseconds = 1000 * (time.perf_counter() - start)
        if milliseconds > self.slowest_ms:
            self.slowest_ms, self.slowest_input = milliseconds, packed(data)
        if time.monotonic() - self.written > 0.5:
            self.write()

    def write(self) -> None:
        """Report to the parent, which also shows that the child is alive."""
        self.written = time.monotonic()
        facts = {**vars(self), "seconds": self.written - self.start, "peak_memory": peak_memory_mib()}
        (self.folder / "tally.new").write_text(json.dumps(facts, default=str))
        os.replace(self.folder / "tally.new", self.folder / "tally.json")


def packed(data: bytes) -> str:
    """An input as --input takes it."""
    return base64.b64encode(zlib.compress(data, 9)).decode()


def peak_memory_mib() -> float:
    """The most memory that this process has held (not its parent's, as ru_maxrss would be)."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


# --- two engines ---


def run_atheris(tally: Tally, seconds: float, seed: int) -> None:
    """libFuzzer keeps what reaches new branches of zipfile and of our modules, and mutates it further."""
    atheris = importlib.import_module("atheris")
    sys.modules.pop("zipfile", None)  # imported above, without counters
    target = TARGETS[tally.what]
    with atheris.instrument_imports(include=list(target.modules)):
        for module in target.modules:
            importlib.import_module(module)
    for i, data in enumerate(target.seed_inputs()):
        (tally.folder / "corpus" / f"{i:03}").write_bytes(data)
    marks = ((1, 2), (3, 4), (5, 6), (6, 6), (6, 7), (7, 8))
    (tally.folder / "words").write_text("".join(f'"PK\\x{a:02x}\\x{b:02x}"\n' for a, b in marks))
    flags = [f"-max_total_time={max(round(seconds), 1)}", f"-seed={seed + 1}", f"-max_len={MAX_LEN}"]
    flags += [f"-handle_{name}=0" for name in ("segv", "bus", "abrt", "ill", "fpe", "int", "term")]
    flags += ["-timeout=600", "-rss_limit_mb=0", f"-dict={tally.folder / 'words'}"]
    flags += [f"-artifact_prefix={tally.folder}/"]
    flags += [f"-runs={tally.most:.0f}"] if tally.most < math.inf else []
    tally.begin()
    atexit.register(tally.write)
    atheris.Setup([sys.argv[0], *flags, str(tally.folder / "corpus")], tally.try_input)
    atheris.Fuzz()


def run_lines(tally: Tally, seconds: float, seed: int) -> None:
    """Keep inputs that reach a new line, or a new step from line to line, and mutate them further."""
    files = set()
    for module in TARGETS[tally.what].modules:
        file = Path(str(importlib.import_module(module).__file__))
        files |= {str(part) for part in (file.parent.glob("*.py") if file.stem == "__init__" else [file])}
    reached: set[tuple[int, int]] = set()

    def trace(frame: Any, event: str, _: Any) -> Callable | None:
        if frame.f_code.co_filename not in files:
            return None
        before = frame.f_lineno

        def step(frame: Any, event: str, _: Any) -> Callable:
            nonlocal before
            reached.add((before, frame.f_lineno))
            before = frame.f_lineno
            return step

        return step

    rng, kept = random.Random(seed), TARGETS[tally.what].seed_inputs()
    tally.begin()
    queue = list(kept)
    while queue or (time.monotonic() - tally.start < seconds and tally.inputs < tally.most):
        data = queue.pop() if queue else mutated(rng, kept)
        before = len(reached)
        sys.settrace(trace)
        tally.try_input(data)
        sys.settrace(None)
        tally.coverage = len(reached)
        if not queue and not tally.coverage_seeds:
            tally.coverage_seeds = tally.coverage
        elif tally.coverage > before and not queue:
            kept.append(data)
    tally.write()


def mutated(rng: random.Random, kept: list[bytes]) -> bytes:
    """One of the kept inputs, mutated one to five times."""
    data = bytearray(rng.choice(kept))
    for _ in range(rng.randint(1, 5)):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8))
        change = rng.randrange(6)
        if change == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[place : place + length] = (rng.choice(INTERESTING) % 256**length).to_bytes(length, "little")
        elif change == 2:
            del data[place : place + rng.randint(1, 40)]
        elif change == 3:
            other = rng.choice(kept)
            start = rng.randrange(len(other) + 1)
            data[place:place] = other[start : start + rng.randint(1, 80)]
        elif change == 4:
            data[place : place + length] = rng.randbytes(length)
        elif change == 5 and rng.random() < 0.2:
            del data[place:]
    return bytes(data[:MAX_LEN])


def run_blind(tally: Tally, seconds: float, seed: int) -> None:
    """Mutate the first inputs, whatever they reach: many times as many in the same time."""
    rng, kept = random.Random(seed), TARGETS[tally.what].seed_inputs()
    tally.begin()
    for data in kept:
        tally.try_input(data)
    while time.monotonic() - tally.start < seconds and tally.inputs < tally.most:
        tally.try_input(mutated(rng, kept))
    tally.write()


ENGINES = {"atheris": run_atheris, "lines": run_lines, "blind": run_blind}


# --- the parent ---


def fuzz_corpora(
    minutes: float, seed: int = 0, engine: str = "auto", what: str = "corpora", most: float = math.inf
) -> dict[str, Any]:
    """Run a campaign of this length, or of this many inputs at most; return what it found, for a table.

    engine: a key of ENGINES, or "auto": atheris where it is installed. what: a key of TARGETS. Equal seeds
    try equal inputs, as many as the time allows. What kills the child, or takes ten seconds, ends the
    campaign.
    """
    if engine == "auto":
        engine = "atheris" if importlib.util.find_spec("atheris") else "lines"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        options = {"minutes": minutes, "seed": seed, "engine": engine, "what": what, "inputs": most}
        death = _run_child(folder, options)
        log = (folder / "log").read_text(errors="replace")
        if not (folder / "tally.json").exists():
            raise RuntimeError(f"the child did not begin: {log[-2000:]}")
        tally = json.loads((folder / "tally.json").read_text())
        last = max(folder.glob("a.*"), key=lambda file: file.stat().st_mtime)
        kind = AS_ZIP if last.suffix == ".zip" else AS_IT_IS
        found = tally["findings"]
        if death:
            why = re.sub(r"(?m)^(#|INFO|WARNING).*\n", "", log)[:2000]
            found = {**found, f"{death}: {why}": packed(bytes([kind]) + last.read_bytes())}
    for word, count in re.findall(r"(INITED)? *cov: (\d+)", log):  # as libFuzzer counts it
        tally["coverage"] = int(count)
        tally["coverage_seeds"] = int(count) if word else tally["coverage_seeds"]
    return {"what": what, "engine": engine, "seed": seed, **_summary(tally, found, death)}


def _summary(tally: dict[str, Any], found: dict[str, str], death: str) -> dict[str, Any]:
    """What a table says about a tally. found: its findings, and how the child died if it did."""
    return {
        "minutes": round(tally["seconds"] / 60, 2),
        "inputs": tally["inputs"],
        "read": tally["read"],
        "coverage_of_seeds": tally["coverage_seeds"],
        "new_coverage": tally["coverage"] - tally["coverage_seeds"],
        "tracebacks": sum(not what.startswith("AssertionError") for what in tally["findings"]),
        "wrong_answers": sum(what.startswith("AssertionError") for what in tally["findings"]),
        "signals": int(death not in ("", "hang")),  # or an unexpected exit
        "hangs": int(death == "hang"),
        "slowest_ms": round(tally["slowest_ms"], 1),
        "peak_memory_mib": round(tally["peak_memory"]),
        "memory_at_start_mib": round(tally["memory_at_start"]),
        "findings": [{"what": what, "input": data} for what, data in found.items()],
        "slowest_input": tally["slowest_input"],
    }


def _run_child(folder: Path, options: dict[str, Any]) -> str:
    """How the child died; "" if it finished."""
    command = [sys.executable, "-W", "ignore", __file__, "--child", str(folder)]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    start = time.time()
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as child:
        while child.poll() is None:
            time.sleep(0.05)
            signs = [file.stat().st_mtime for file in folder.glob("a.*")]
            if time.time() - max(signs, default=start + START_SECONDS) > HANG_SECONDS:
                child.kill()
                return "hang"
    if child.returncode < 0:
        return f"signal {-child.returncode}"
    return f"exit code {child.returncode}" if child.returncode else ""


def main() -> int:
    """Run a campaign and print its findings; 1 if there are any."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--minutes", type=float, default=20, help="how long (20)")
    parser.add_argument("--seed", type=int, default=0, help="another seed tries other inputs (0)")
    parser.add_argument(
        "--engine", choices=["auto", *ENGINES], default="auto", help="(atheris, or lines; blind is unguided)"
    )
    parser.add_argument("--what", choices=list(TARGETS), default="corpora", help="is fuzzed (corpora)")
    parser.add_argument("--inputs", type=float, default=math.inf, help="how many, at most (as time allows)")
    parser.add_argument("--input", help="try this one, as it stands in a result")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        warnings.simplefilter("ignore")
        tally = Tally(Path(arguments.child), arguments.what, arguments.inputs)
        ENGINES[arguments.engine](tally, 60 * arguments.minutes, arguments.seed)
        return 0
    if arguments.input:
        with tempfile.TemporaryDirectory() as folder:
            data = zlib.decompress(base64.b64decode(arguments.input))
            print("read" if TARGETS[arguments.what].check(data, Path(folder)) else "refused")
        return 0
    summary = fuzz_corpora(
        arguments.minutes, arguments.seed, arguments.engine, arguments.what, arguments.inputs
    )
    print(json.dumps(summary, indent=2))
    return 1 if summary["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
