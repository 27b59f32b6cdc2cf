"""Texts that people bring: a run reads all that it is given, says what it reads, and finds it again."""

import gzip
import hashlib
import io
import json
import shlex
import sys
import zipfile
from pathlib import Path
from typing import Any

from d2lrnn import load_corpus, train
from d2lrnn.corpora import prepare
from d2lrnn.running import dataset
from d2lrnn.running.directory import load_run
from d2lrnn.running.settings import Settings

import pytest
from small_run import exit_code_of, perplexities, weights

pytestmark = pytest.mark.slow

SMALL = shlex.split("--hidden-dim 8 --batch-size 4 --num-steps 5 --pred-len 6 --pred-period 1")
PLAY = "QUEEN:\r\nGood morrow, my lord.\r\n\r\nKING:\r\nA cre\u0300me, my queen?\r\n\r\n" * 9
KEPT = PLAY.replace("\r\n", "\n").replace("e\u0300", "è")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: Any) -> Any:
    return exit_code_of(train.main, [*SMALL, *map(str, arguments)])


def config_of(folder: str) -> dict[str, Any]:
    return json.loads(Path(folder, "config.json").read_text("utf-8"))


def text_of(folder: str) -> str:
    """The text that a run learns from, and measures itself on."""
    data = dataset.load_dataset(load_run(Path(folder)).settings, Path(folder))
    return data.vocab.decode([*data.train_indices, *data.heldout_indices])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    assert run(*arguments) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    return error


def songs(number: int, folder: str = "songs") -> list[str]:
    texts = [f"Song {i}\r\nla la {'la ' * (i % 3)}\r\n" for i in range(number)]
    Path(folder).mkdir()
    for i, text in enumerate(texts):
        Path(folder, f"{i:03}.txt").write_text(text, newline="")
    return [text.replace("\r\n", "\n") for text in texts]


def test_lines_of_ones_own_text_are_kept_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("play.txt").write_text(PLAY, encoding="utf-8", newline="")

    assert run("--corpus", "play.txt", "--epochs", 2, "--out", "a", "--prefix", "cre\u0300me") == 0
    assert "play.txt (line ends kept, NFC): " in capsys.readouterr().out
    config = config_of("a")
    assert {"lines": "keep", "normalize": "NFC", "encoding": None}.items() <= config.items()
    assert config["prefix"] == ["crème"]  # it goes the way of the text
    assert config["facts"]["corpus_sha256"] == hashlib.sha256(KEPT.encode()).hexdigest()
    assert text_of("a") == KEPT == prepare(PLAY, lines="keep", normalize="NFC")

    as_it_was = ["--lines", "space", "--normalize", "none", "--warmup", 0]
    assert run("--corpus", "play.txt", "--epochs", 1, "--out", "b", *as_it_was) == 0
    assert "play.txt (line ends as spaces): " in capsys.readouterr().out
    assert text_of("b") == load_corpus("play.txt") and "e\u0300" in text_of("b")
    assert run("--corpus", "lyrics", "--max-chars", 600, "--epochs", 1, "--out", "c") == 0
    assert capsys.readouterr().out.startswith("lyrics: 540 characters to train on, 60 held out, ")
    assert {"lines": "space", "normalize": "none"}.items() <= config_of("c").items()
    assert "begun with keep; omit --lines" in refusal(
        capsys, "--resume", "a", "--epochs", 9, "--lines", "space"
    )


def test_a_run_goes_on_with_the_lines_it_began_with() -> None:
    Path("play.txt").write_text(PLAY, encoding="utf-8", newline="")
    assert run("--corpus", "play.txt", "--epochs", 3, "--out", "whole") == 0
    assert run("--corpus", "play.txt", "--epochs", 1, "--out", "half") == 0

    assert run("--resume", "half", "--epochs", 3) == 0

    assert perplexities("half") == perplexities("whole")
    assert weights("half") == weights("whole")
    assert config_of("half") == config_of("whole")
    assert Path("half/samples.txt").read_text("utf-8") == Path("whole/samples.txt").read_text("utf-8")


def test_a_config_from_before_means_what_it_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """What a run of version 0.1.0 left: one corpus, no settings of how it is read, lines as spaces."""
    Path("play.txt").write_text(f"\ufeff{PLAY}\ufeff{PLAY}", encoding="utf-8", newline="")
    as_it_was = ["--lines", "space", "--normalize", "none", "--warmup", 0]
    assert run("--corpus", "play.txt", "--epochs", 2, "--out", "whole", *as_it_was) == 0
    assert run("--corpus", "play.txt", "--epochs", 1, "--out", "half", *as_it_was) == 0
    assert "\ufeff" in text_of("half")
    for facts in [Path("half/config.json"), *Path("half/checkpoints").glob("0*/facts.json")]:
        found = json.loads(facts.read_text("utf-8"))
        config = found.get("config", found)
        config["corpus"] = config["corpus"][0]
        for name in ("lines", "normalize", "encoding", "field", "valid"):
            del config[name]
        for name in ("documents", "heldout_from"):
            del config["facts"][name]
        write_facts(facts, found)

    assert run("--resume", "half", "--epochs", 2) == 0

    assert capsys.readouterr().err == ""
    assert weights("half") == weights("whole")
    assert config_of("half") == config_of("whole")


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Facts in the place of others, with their sum where a checkpoint has it."""
    data = json.dumps(facts, ensure_ascii=False).encode()
    path.write_bytes(data)
    manifest = path.with_name("manifest.json")
    if manifest.exists():
        described = json.loads(manifest.read_text())
        described["files"]["facts.json"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest.write_text(json.dumps(described))


def test_many_names_are_one_corpus_in_the_order_given(capsys: pytest.CaptureFixture[str]) -> None:
    texts = songs(3)
    Path("b.txt").write_text("b" * 300)
    Path("a.txt.gz").write_bytes(gzip.compress(b"a"))
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.writestr("2.txt", "two")
        archive.writestr("1.txt", "one")

    assert (
        run("--corpus", "b.txt", "a.txt.gz", "--epochs", 1, "--corpus", "songs/*.txt", "z.zip", "--out", "a")
        == 0
    )

    here = Path.cwd()
    assert config_of("a")["corpus"] == [
        str(here / name) for name in ("b.txt", "a.txt.gz", "songs/*.txt", "z.zip")
    ]
    assert "7 documents, line ends kept, NFC" in capsys.readouterr().out
    whole = f"{'b' * 300}\n\na\n\n{texts[0]}\n{texts[1]}\n{texts[2]}\none\n\ntwo"
    assert text_of("a") == whole
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in ("b" * 300, "a", *texts, "one", "two")]
    names = ["b.txt", "a.txt.gz", "000.txt", "001.txt", "002.txt", "z.zip/1.txt", "z.zip/2.txt"]
    facts = config_of("a")["facts"]
    assert facts["documents"] == [f"{one}  {name}" for one, name in zip(sums, names)]
    assert facts["corpus_sha256"] == hashlib.sha256(whole.encode()).hexdigest()


def test_a_new_run_is_called_after_its_first_source() -> None:
    songs(9)
    for name in ("songs", "songs/*.txt", "songs/000.txt"):
        assert run("--corpus", name, "--epochs", 1, "--batch-size", 1, "--heldout", 0) == 0

    assert {path.name for path in Path("runs").iterdir()} == {"songs-rnn", "songs-rnn-2", "000-rnn"}


def test_of_ten_documents_the_last_are_held_out_whole(capsys: pytest.CaptureFixture[str]) -> None:
    texts = songs(40)

    assert run("--corpus", "songs", "--heldout", 0.2, "--epochs", 1, "--out", "a") == 0

    facts = config_of("a")["facts"]
    assert "held out (the last 8 of 40 documents), " in capsys.readouterr().out
    assert facts["heldout_from"] == "the last 8 of 40 documents"
    assert facts["heldout_chars"] == len("\n".join(texts[-8:]))
    assert facts["train_chars"] == len("\n".join(texts)) - facts["heldout_chars"]
    assert run("--corpus", "songs/00*.txt", "--heldout", 0, "--epochs", 1, "--out", "b") == 0
    assert config_of("b")["facts"]["heldout_chars"] == 0


@pytest.mark.parametrize(
    ("lengths", "share", "split"),
    [
        ([10] * 9, 0.1, 81),  # of fewer than ten documents the end of the text
        ([10] * 10, 0.1, 90),
        ([10] * 10, 0.02, 90),  # one at least
        ([10] * 10, 0.99, 10),  # and not all
        ([10] * 9 + [14], 0.25, 80),  # as near as whole documents come
        ([10] * 9 + [500], 0.1, 531),  # most of the text is in the last one
        ([10] * 12, 0, 120),
    ],
)
def test_whole_documents_come_as_near_to_the_share_as_they_can(
    lengths: list[int], share: float, split: int
) -> None:
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    documents = [dataset.Document("a", a, a + n, "") for a, n in zip(starts, lengths)]

    assert dataset._split(sum(lengths), documents, max(share, 0))[0] == split


def test_another_text_can_take_the_place_of_the_tail(capsys: pytest.CaptureFixture[str]) -> None:
    Path("play.txt").write_text(KEPT)
    Path("a.txt").write_text("Zounds!\r\n", newline="")
    Path("b.txt").write_text("and more")

    assert run("--corpus", "play.txt", "--valid", "a.txt", "b.txt", "--epochs", 1, "--out", "a") == 0

    facts = config_of("a")["facts"]
    assert (facts["train_chars"], facts["heldout_chars"]) == (len(KEPT), len("Zounds!\n\nand more"))
    assert facts["valid_sha256"] == hashlib.sha256(b"Zounds!\n\nand more").hexdigest()
    assert [line.split()[1] for line in facts["valid_documents"]] == ["a.txt", "b.txt"]
    assert "17 held out (a.txt, b.txt), " in capsys.readouterr().out
    assert "Z" in load_run(Path("a")).vocab.idx_to_char  # what is measured has characters, too
    assert run("--resume", "a", "--epochs", 2) == 0

    Path("b.txt").write_text("and less")
    line = refusal(capsys, "--resume", "a", "--epochs", 3)
    assert "is not the one that this run began with" in line and "(changed: b.txt)" in line
    assert "--valid and --heldout: give one" in refusal(capsys, "--valid", "a.txt", "--heldout", 0.1)
    assert "--valid -: give files" in refusal(capsys, "--valid", "-")
    Path("one.txt").write_text("a")
    assert "--valid one.txt: give a text of at least two" in refusal(capsys, "--valid", "one.txt")


@pytest.mark.parametrize("number", [12, 120])
def test_a_folder_that_is_not_what_it_was_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    songs(number)
    assert run("--corpus", "songs", "--epochs", 1, "--out", "songs/run") == 0  # which is no text of it
    facts = config_of("songs/run")["facts"]
    assert Path("songs/run/documents.txt").exists() == (number > 100)
    assert facts["documents"] == number if number > 100 else len(facts["documents"]) == number
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert run("--resume", "../songs/run", "--epochs", 2) == 0

    Path("../songs/new.txt").write_text("a new one")
    Path("../songs/001.txt").unlink()
    Path("../songs/002.txt").write_text("another")

    line = refusal(capsys, "--resume", "../songs/run", "--epochs", 3)
    for told in ("new: songs/new.txt", "gone: songs/001.txt", "changed: songs/002.txt"):
        assert told in line


class Typed:
    """A standard input of these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("workers", [[], pytest.param(["--workers", "2"], marks=pytest.mark.slow)])
def test_what_comes_from_standard_input_is_kept_for_the_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], workers: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(PLAY.encode("cp1252", "replace")))
    assert run("--corpus", "-", "--encoding", "cp1252", "--epochs", 1, "--max-chars", 300, *workers) == 0
    kept = KEPT.replace("è", "e?")[:300]

    assert "stdin (line ends kept, NFC): 270 characters" in capfd.readouterr().out
    assert Path("runs/stdin-rnn/corpus.txt").read_text("utf-8") == kept
    assert config_of("runs/stdin-rnn")["corpus"] == ["-"]
    assert text_of("runs/stdin-rnn") == kept
    Path("runs/stdin-rnn").rename("moved")
    monkeypatch.setattr(sys, "stdin", None)
    assert run("--resume", "moved", "--epochs", 2, *workers) == 0
    Path("moved/corpus.txt").unlink()
    assert run("--resume", "moved", "--epochs", 3) == 2
    assert "no copy of what came from the standard input" in capfd.readouterr().err


def test_records_from_standard_input_stay_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"body": f"Poem {i}\r\nwith lines\n"}) for i in range(30)]
    monkeypatch.setattr(sys, "stdin", Typed("\n".join(lines).encode()))

    assert run("--corpus", "-", "--field", "body", "--epochs", 1, "--out", "a") == 0

    assert config_of("a")["facts"]["heldout_from"] == "the last 3 of 30 documents"
    assert text_of("a") == "\n".join(f"Poem {i}\nwith lines\n" for i in range(30))
    assert run("--resume", "a", "--epochs", 2) == 0


def test_of_an_endless_standard_input_no_more_is_read_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert size >= 0, "all of it"
            return (b"to be or not\n" * (size // 13 + 1))[:size]

    typed = Typed(b"")
    typed.buffer = Endless()  # type: ignore[assignment]
    monkeypatch.setattr(sys, "stdin", typed)

    assert run("--corpus", "-", "--max-chars", 5000, "--epochs", 1, "--out", "a") == 0
    assert len(text_of("a")) == 5000


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "stdin holds no text"),
        (b" \n", "stdin holds no text"),
        (b"d\xe9j\xe0 vu", "stdin is not UTF-8 text"),
    ],
)
def test_nothing_is_left_of_a_run_whose_standard_input_is_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: bytes, why: str
) -> None:
    for out in ([], ["--out", "new"], ["--out", "old"]):
        Path("old").mkdir(exist_ok=True)
        monkeypatch.setattr(sys, "stdin", Typed(data))
        assert why in refusal(capsys, "--corpus", "-", *out)
    monkeypatch.setattr(sys, "stdin", Typed(b"too short"))
    assert "not two of 9 characters" in refusal(capsys, "--corpus", "-", "--out", "new")
    monkeypatch.setattr(sys, "stdin", None)
    assert "there is no standard input" in refusal(capsys, "--corpus", "-", "--out", "new")

    assert [path for path in Path().rglob("*") if path.is_file()] == []
    assert not Path("new").exists() and Path("old").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--corpus a.txt b.txt", "'b.txt' does not exist: give one of lyrics, "),
        ("--corpus a.txt --corpus b.txt", "'b.txt' does not exist"),
        ("--corpus *.md", "'*.md' matches no file"),
        ("--corpus empty", "'empty' is a directory without a text in it"),
        ("--corpus a.txt --encoding rot13", "encoding 'rot13' is not a text encoding"),
        ("--corpus a.txt --encoding utf-9", "encoding 'utf-9' is unknown: give one such as utf-8"),
        ("--corpus a.txt --field text", "field 'text' is given, but no .jsonl to read it from"),
        (
            "--corpus r.jsonl",
            "'{here}/r.jsonl' holds records: name the field of their texts, --field NAME, of 'text'",
        ),
        ("--corpus r.jsonl --field body", "'{here}/r.jsonl', line 1: no field 'body', but 'text'"),
        ("--corpus a.txt --lines both", "argument --lines: invalid choice: 'both'"),
        ("--corpus a.txt --normalize nfc", "argument --normalize: invalid choice: 'nfc'"),
        ("--corpus", "argument --corpus: expected at least one argument"),
        (
            "--corpus gbk.txt",
            "perhaps gbk, and would then begin '好雨知时节': name its encoding (--encoding gbk)",
        ),
    ],
)
def test_a_mistake_with_ones_own_text_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: str, why: str
) -> None:
    Path("a.txt").write_text("a" * 300)
    Path("gbk.txt").write_bytes("好雨知时节".encode("gbk"))
    Path("r.jsonl").write_text('{"text": "a"}')
    Path("empty").mkdir()

    assert why.replace("{here}", str(Path.cwd())) in refusal(capsys, *arguments.split())
    assert not Path("runs").exists() or not [*Path("runs").iterdir()]


def test_what_is_left_out_of_a_folder_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    songs(4)
    Path("songs/cover.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    Path("songs/.DS_Store").write_bytes(b"\0")

    assert run("--corpus", "songs", "--epochs", 1, "--workers", 2, "--batch-size", 1, "--in-turn") == 0

    said = "warning: 2 files are left out: songs/.DS_Store (hidden), songs/cover.png (no text)\n"
    assert capfd.readouterr().err == said


def test_settings_refuse_a_corpus_that_is_no_tuple() -> None:
    with pytest.raises(ValueError, match=r"--corpus 'a\.txt': give a tuple"):
        Settings(corpus="a.txt")  # type: ignore[arg-type]
